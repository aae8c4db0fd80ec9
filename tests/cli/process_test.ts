import assert from "node:assert/strict";
import { startFakeDaemon } from "./fake_daemon.ts";
import { ENDPOINT } from "./reports.ts";

const CTL = new URL("../../ctl.ts", import.meta.url).pathname;

/** Runs ctl.ts with the shipped permission set and these flags. */
async function ctl(
  args: readonly string[],
  options: { flags?: readonly string[]; stdin?: string; env?: Record<string, string> } = {},
) {
  const { flags = [], stdin = "", env = {} } = options;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-P=ngrokctl", "--no-prompt", ...flags, CTL, ...args],
    cwd: new URL("../..", import.meta.url).pathname,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return {
    code,
    out: decoder.decode(stdout),
    err: decoder.decode(stderr).replace(/^.*experimental feature.*\n/m, ""),
  };
}

Deno.test("ctl.ts exits with the documented codes under the shipped permission set", async () => {
  assert.deepEqual(await ctl(["version"]), { code: 0, out: "ngrokctl version 0.4.0\n", err: "" });
  const usage = await ctl(["lst"]);
  assert.deepEqual([usage.code, usage.out], [2, ""]);
  const foreign = await ctl(["--socket", "/nowhere/x.sock", "status"]);
  assert.equal(foreign.code, 1);
  assert.match(
    foreign.err,
    /the permission set does not include \/nowhere\/x\.sock\n.*\n.*--allow-net=unix:\/nowhere\/x\.sock/,
  );
});

Deno.test("ctl.ts lists endpoints and passes a key from standard input", async () => {
  await using daemon = await startFakeDaemon({ list: [ENDPOINT], "set-api-key": "API key set successfully" });
  const { path } = daemon;
  const flags = [`--allow-net=unix:${path}`, `--allow-read=${path}`, `--allow-write=${path}`];
  const env = { NGROKD_SOCKET: path };
  const listed = await ctl(["list", "--json"], { flags, env });
  assert.deepEqual([listed.code, JSON.parse(listed.out)], [0, {
    schema: 1,
    endpoints: [ENDPOINT],
    refused_count: 0,
  }]);
  const set = await ctl(["set-api-key", "-"], { flags, env, stdin: "k3y\n" });
  assert.deepEqual([set.code, set.err, daemon.asked.at(-1)?.args], [0, "", ["k3y"]]);
  await Deno.remove(path);
  const gone = await ctl(["status"], { flags, env });
  assert.equal(gone.code, 3);
  assert.match(gone.err, /\nIs ngrokd running\?\n/);
});
