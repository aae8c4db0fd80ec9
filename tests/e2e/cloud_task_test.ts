import assert from "node:assert/strict";

Deno.test("deno task cloud runs with its own permission set, and Ctrl-C ends it", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=cloud", "--no-prompt", "--quiet", "sim/cloud/main.ts"],
    cwd: new URL("../..", import.meta.url).pathname,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const [, api] = /^API +(http:\S+)[^]*Ctrl-C/.exec(text) ?? [];
    if (api === undefined) continue;
    assert.ok((await fetch(api).then((answer) => answer.text())).length > 0);
    child.kill("SIGINT");
  }
  assert.equal((await child.status).code, 0, await stderr);
  assert.match(text, /Ingress CA /);
});
