import assert from "node:assert/strict";

const MAIN = new URL("../../sim/cloud/main.ts", import.meta.url).pathname;

/** Starts the program and reads what it prints, up to its last line. */
async function start(
  args: string[],
): Promise<{ child: Deno.ChildProcess; text: string; rest: ReadableStream<Uint8Array> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--quiet",
      "--allow-net=127.0.0.1,localhost",
      "--allow-read",
      "--allow-write=/tmp",
      "--allow-env",
      "--allow-sys",
      MAIN,
      ...args,
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes("Ctrl-C")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  return { child, text, rest: child.stdout };
}

Deno.test("deno task cloud prints where everything is, serves the endpoints of a file, and Ctrl-C ends it", async () => {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(file, JSON.stringify([{ url: "https://a.myapp", backend: "tls" }]));
  const { child, text, rest } = await start(["--endpoints", file, "--allow-https", "--random-switches", "3"]);
  const [, apiUrl = "", key = "", caPath = "", adminUrl = ""] =
    /API +(\S+)\nAPI key +(\S+)\nIngress +localhost:\d+\nIngress CA +(\S+)\nAdmin +(\S+)\n/.exec(text) ?? [];
  assert.match(key, /^[0-9A-Za-z]{27}_[0-9A-Za-z]{21}$/);
  assert.match(await Deno.readTextFile(caPath), /^-----BEGIN CERTIFICATE-----/);
  const response = await fetch(`${apiUrl}/endpoints`, {
    headers: { Authorization: `Bearer ${key}`, "Ngrok-Version": "2" },
  });
  assert.equal((await response.json()).endpoints[0].url, "https://a.myapp");
  assert.equal((await (await fetch(`${adminUrl}/endpoints`)).json()).length, 1);
  child.kill("SIGINT");
  assert.equal((await child.status).code, 0);
  await rest.cancel();
  await assert.rejects(Deno.stat(caPath), Deno.errors.NotFound);
  await Deno.remove(file);
});

Deno.test("no file of the simulated cloud imports the daemon", async () => {
  for (const folder of ["../../sim/cloud/", "../../sim/cloud/state/"]) {
    for await (const { name } of Deno.readDir(new URL(folder, import.meta.url))) {
      if (!name.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(new URL(folder + name, import.meta.url));
      const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, specifier = ""]) =>
        specifier
      );
      assert.deepEqual(imports.filter((specifier) => /^\.\.\/\.\.|src\//.test(specifier)), [], name);
    }
  }
});
