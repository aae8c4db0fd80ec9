import assert from "node:assert/strict";

const ROOT = new URL("../..", import.meta.url).pathname;

async function devCheck(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "dev", "--check", ...args],
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("deno task dev --check reaches every endpoint and exits 0", async () => {
  const { code, stdout, stderr } = await devCheck();
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /All 6 endpoints work\./);
  assert.equal(stderr, "");
  assert.equal(stdout.match(/^✓ /gm)?.length, 6);
  assert.equal(stdout.match(/pool\.myapp.* answered by both/g)?.length, 1, stdout);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
});

Deno.test("dev --check reports a backend that is down", async () => {
  const { code, stderr } = await devCheck("--fault=backend-down");
  assert.equal(code, 1);
  assert.match(stderr, /http:\/\/api\.myapp:8080: It answered HTTP\/1\.1 502/);
});

Deno.test("dev --check reports an ingress whose CA is not trusted", async () => {
  const { code, stderr } = await devCheck("--fault=wrong-trust");
  assert.equal(code, 1);
  assert.match(stderr, /has the name of the trusted CA with SHA-256 [0-9A-F:]{95}, but another key/);
});

Deno.test("dev --check reports an endpoint that is not listed", async () => {
  const { code, stderr } = await devCheck("--fault=lost-endpoint");
  assert.equal(code, 1);
  assert.match(stderr, /tcp:\/\/db\.internal:5432: ngrokctl list does not show it/);
});
