import assert from "node:assert/strict";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

Deno.test("deno task cloud prints its addresses, serves the endpoints of a file and ends on Ctrl-C", async () => {
  await using directory = await temporaryDirectory();
  const file = `${directory.path}/endpoints.json`;
  await Deno.writeTextFile(file, JSON.stringify([{ url: "https://a.myapp", backend: "tls" }]));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "cloud", "--endpoints", file, "--allow-https", "--random-switches", "3"],
    cwd: new URL("../..", import.meta.url).pathname,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  let text = "";
  let caPath = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (!text.includes("Ctrl-C")) continue;
    const [, apiUrl = "", key = "", ca = "", adminUrl = ""] =
      /API +(\S+)\nAPI key +(\S+)\nIngress +localhost:\d+\nIngress CA +(\S+)\nAdmin +(\S+)\n/.exec(text) ??
        [];
    caPath = ca;
    assert.match(key, /^[0-9A-Za-z]{27}_[0-9A-Za-z]{21}$/);
    assert.match(await Deno.readTextFile(caPath), /^-----BEGIN CERTIFICATE-----/);
    const headers = { Authorization: `Bearer ${key}`, "Ngrok-Version": "2" };
    const { endpoints } = await (await fetch(`${apiUrl}/endpoints`, { headers })).json();
    assert.equal(endpoints[0].url, "https://a.myapp");
    assert.equal((await (await fetch(`${adminUrl}/endpoints`)).json()).length, 1);
    child.kill("SIGINT");
  }
  assert.equal((await child.status).code, 0, text + await stderr);
  await assert.rejects(Deno.stat(caPath), Deno.errors.NotFound);
});
