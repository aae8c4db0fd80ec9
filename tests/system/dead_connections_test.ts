import assert from "node:assert/strict";
import { TestCa } from "../fakes/test_ca.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

// Deno reads the CAs for fetch() from its environment, and only at its start, so these tests run in
// a process of their own.
Deno.test("sendHttp() fails no request because an earlier connection to the API died", async () => {
  await using directory = await temporaryDirectory();
  const ca = await TestCa.create();
  const { cert, key } = await ca.pair();
  const paths = { DENO_CERT: "ca.pem", CERT: "cert.pem", KEY: "key.pem" };
  const env = Object.fromEntries(
    Object.entries(paths).map(([name, file]) => [name, `${directory.path}/${file}`]),
  );
  await Deno.writeTextFile(env.DENO_CERT!, ca.pem);
  await Deno.writeTextFile(env.CERT!, cert);
  await Deno.writeTextFile(env.KEY!, key);
  const file = new URL("./dead_connections_inside.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-P=test", "--no-prompt", "--no-check", "--quiet", file],
    cwd: ROOT,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  assert.equal(code, 0, text);
  assert.match(text, /ok \| 4 passed/);
});
