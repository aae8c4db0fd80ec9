import assert from "node:assert/strict";
import type { CtlIo } from "../../src/cli/io.ts";
import { connectLocal } from "../../src/system/local_socket.ts";
import { RequestError } from "../../src/control/protocol.ts";
import { startFakeDaemon } from "./fake_daemon.ts";
import { type Ran, runFake } from "./fake_io.ts";
import { ENDPOINT, HEALTH, STATUS } from "./reports.ts";

/** Runs a command against a fake daemon with these answers. */
async function against(
  answers: Record<string, unknown>,
  argv: readonly string[],
  world: Partial<CtlIo> = {},
): Promise<Ran> {
  await using daemon = await startFakeDaemon(answers);
  const readEnvironment = (name: string) => name === "NGROKD_SOCKET" ? daemon.path : undefined;
  return await runFake(argv, { connect: connectLocal, readEnvironment, ...world });
}

function failing(error: Error): Partial<CtlIo> {
  return { connect: () => Promise.reject(error) };
}

Deno.test("ngrokctl status prints the report, with --json before or after the command as JSON", async () => {
  const text = await against({ status: STATUS }, ["status"]);
  assert.deepEqual([text.code, text.err], [0, ""]);
  assert.match(text.out, /^╔.*\n {2}✓ Registered: {8}Yes\n/s);
  for (const argv of [["status", "--json"], ["--json", "status"]]) {
    const json = await against({ status: { ...STATUS, later: true } }, argv);
    assert.deepEqual(JSON.parse(json.out), { ...STATUS, later: true });
  }
});

Deno.test("ngrokctl list --json wraps the endpoints, sorted by name, port and id", async () => {
  const at = (hostname: string, port: number, id: string) => ({ ...ENDPOINT, hostname, port, id });
  const sorted = [at("a", 80, "1"), at("a", 443, "0"), at("a", 443, "2"), at("b", 1, "3")];
  const { code, out } = await against({ list: sorted.toReversed() }, ["list", "--json"]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), { schema: 1, endpoints: sorted });
  assert.match((await against({ list: [ENDPOINT] }, ["list"])).out, /\n {2}Total: 1 endpoint\(s\)\n\n$/);
  assert.deepEqual(JSON.parse((await against({ list: [] }, ["list", "--json"])).out), {
    schema: 1,
    endpoints: [],
  });
});

Deno.test("ngrokctl health prints the report under its box, keys sorted, two spaces in", async () => {
  const { out } = await against({ health: HEALTH }, ["health"]);
  const lines = out.split("\n");
  assert.equal(lines[1], "║                 Daemon Health                         ║");
  assert.deepEqual(lines.slice(4, 8), [
    "  {",
    '    "api": {',
    '      "error": null,',
    '      "last_poll": "2026-08-01T10:00:00Z",',
  ]);
  assert.deepEqual(lines.slice(-3), ["  }", "", ""]);
  assert.deepEqual(JSON.parse(lines.slice(4).join("\n")), HEALTH);
  const json = await against({ health: HEALTH }, ["health", "--json"]);
  assert.deepEqual(JSON.parse(json.out), { schema: 1, ...HEALTH });
});

Deno.test("ngrokctl refresh-cert prints what the daemon says and passes --force on", async () => {
  const answers = { "refresh-cert": (args: string[]) => `renewed ${args.join()}` };
  assert.equal((await against(answers, ["refresh-cert", "--force"])).out, "✓ renewed --force\n");
  assert.equal((await against(answers, ["refresh-cert"])).out, "✓ renewed \n");
  const json = await against(answers, ["refresh-cert", "--json"]);
  assert.deepEqual(JSON.parse(json.out), { schema: 1, message: "renewed " });
});

Deno.test("ngrokctl version needs no daemon", async () => {
  assert.deepEqual(await runFake(["version"]), { code: 0, out: "ngrokctl version 0.4.0\n", err: "" });
  assert.deepEqual(await runFake(["--version"]), { code: 0, out: "ngrokctl version 0.4.0\n", err: "" });
  assert.deepEqual(JSON.parse((await runFake(["version", "--json"])).out), { schema: 1, version: "0.4.0" });
});

Deno.test("ngrokctl asks the socket of --socket, else NGROKD_SOCKET, else the default; the old paths mean the default", async () => {
  async function asked(argv: string[], variable?: string): Promise<string> {
    let path = "";
    await runFake([...argv, "status"], {
      readEnvironment: () => variable,
      connect: (where) => {
        path = where;
        return Promise.reject(new Deno.errors.NotFound());
      },
    });
    return path;
  }
  assert.equal(await asked([]), "/run/ngrokd/ngrokd.sock");
  assert.equal(await asked([], "/tmp/a.sock"), "/tmp/a.sock");
  assert.equal(await asked(["--socket", "/tmp/b.sock"], "/tmp/a.sock"), "/tmp/b.sock");
  assert.equal(await asked(["--socket="], "/tmp/a.sock"), "/tmp/a.sock");
  for (const old of ["/var/run/ngrokd.sock", "/run/ngrokd.sock"]) {
    assert.equal(await asked([], old), "/run/ngrokd/ngrokd.sock");
    assert.equal(await asked(["--socket", old]), "/run/ngrokd/ngrokd.sock");
  }
});

Deno.test("ngrokctl exits with 3 and the next step if the daemon is not running", async () => {
  const { code, out, err } = await runFake(["list"], failing(new Deno.errors.ConnectionRefused()));
  assert.deepEqual([code, out], [3, ""]);
  const lines = err.split("\n");
  assert.match(
    lines[0] ?? "",
    /^Error: failed to connect to daemon: nobody answers on \/run\/ngrokd\/ngrokd.sock$/,
  );
  assert.equal(lines[1], "Is ngrokd running?");
  assert.match(lines[2] ?? "", /^Start it: /);
});

Deno.test("ngrokctl exits with 1 if this user may not open the socket, and names the group", async () => {
  const { code, err } = await runFake(["list"], failing(new Deno.errors.PermissionDenied()));
  assert.equal(code, 1);
  assert.match(
    err,
    /^Error: failed to connect to daemon: permission denied on .*\nIs ngrokd running\?\n.*group ngrokd.*sudo/,
  );
});

Deno.test("ngrokctl --json reports failures as JSON on standard error", async () => {
  const { code, out, err } = await runFake(["list", "--json"], failing(new Deno.errors.NotFound()));
  assert.deepEqual([code, out], [3, ""]);
  const { schema, error } = JSON.parse(err);
  assert.deepEqual([schema, error.code, typeof error.hint], [1, "absent", "string"]);
  assert.match(error.message, /^failed to connect/);
  const usage = JSON.parse((await runFake(["lst", "--json"])).err);
  assert.deepEqual(usage, {
    schema: 1,
    error: { code: "usage", message: "Unknown command: lst", hint: "Did you mean: ngrokctl list" },
  });
});

Deno.test("ngrokctl prints the daemon's refusal and its hint, line by line and safe", async () => {
  const refusal = new RequestError("bad\nkey \x1b[2J", { hint: "Look:\nhere" });
  const { code, err } = await against({ "refresh-cert": () => Promise.reject(refusal) }, ["refresh-cert"]);
  assert.equal(code, 1);
  assert.equal(err, "Error: bad\n  key \\u001b[2J\nLook:\nhere\n");
});

Deno.test("ngrokctl refuses answers of another form, and says which part", async () => {
  const wrong = { ...STATUS, api: { ...STATUS.api, state: "sleepy" } };
  const { code, err } = await against({ status: wrong }, ["status"]);
  assert.equal(code, 1);
  assert.match(err, /at api\.state\n.*of one version/);
  assert.match((await against({ list: "x" }, ["list"])).err, /this version knows\n/);
});

Deno.test("ngrokctl exits with 2 and its usage for a command line that is wrong", async () => {
  const none = await runFake([]);
  assert.equal(none.code, 2);
  assert.match(none.err, /^Error: A command is required\n\nUsage: ngrokctl /);
  const unknown = await runFake(["lst"]);
  assert.deepEqual([unknown.code, unknown.out], [2, ""]);
  assert.match(unknown.err, /^Unknown command: lst\nDid you mean: ngrokctl list\n\nUsage: ngrokctl /);
  assert.match((await runFake(["frobnicate"])).err, /^Unknown command: frobnicate\n\nUsage: /);
  const option = await runFake(["list", "--jsn"]);
  assert.equal(option.code, 2);
  assert.match(option.err, /^Error: unknown option '--jsn'\n.*--json.*\nHow it is used: ngrokctl help\n$/);
  assert.equal((await runFake(["list", "extra"])).code, 2);
  assert.deepEqual(await runFake(["config"]), { code: 2, out: "", err: "Usage: ngrokctl config edit\n" });
  assert.match(
    (await runFake(["config", "edt"])).err,
    /^Unknown command: config edt\nDid you mean: ngrokctl config edit\n/,
  );
});

Deno.test("ngrokctl help, --help and -h print the usage and exit with 0", async () => {
  const [first, ...others] = await Promise.all([["help"], ["--help"], ["-h"]].map((argv) => runFake(argv)));
  assert.deepEqual([first?.code, first?.err], [0, ""]);
  assert.match(first?.out ?? "", /^Usage: ngrokctl .*Examples:\n {2}ngrokctl status\n/s);
  for (const other of others) assert.deepEqual(other, first);
});

Deno.test("ngrokctl has help with an example for every command, as text and as JSON", async () => {
  const all = JSON.parse((await runFake(["help", "--json"])).out);
  const names = all.commands.map((command: { name: string }) => command.name);
  assert.deepEqual([all.schema, all.name], [1, "ngrokctl"]);
  assert.deepEqual(names, [
    "status",
    "list",
    "health",
    "set-api-key",
    "refresh-cert",
    "trust",
    "config",
    "version",
    "help",
  ]);
  for (
    const words of [
      ...names.map((name: string) => [name]),
      ["config", "edit"],
      ...["show", "fetch", "forget"].map((word) => ["trust", word]),
    ]
  ) {
    const { code, out } = await runFake([...words, "--help"]);
    assert.equal(code, 0);
    assert.match(out, /\nExamples?:\n {2}\S*.*ngrokctl /, words.join(" "));
    assert.deepEqual(await runFake(["help", ...words]), { code: 0, out, err: "" });
  }
  assert.equal((await runFake(["help", "lst"])).code, 2);
});

Deno.test("ngrokctl set-api-key with two arguments does not repeat them: they are a key", async () => {
  const { code, out, err } = await runFake(["set-api-key", "2abc: def", "secret"]);
  assert.equal(code, 2);
  assert.match(err, /too many arguments for 'set-api-key'\. Expected 1 argument/);
  assert.doesNotMatch(out + err, /2abc|def|secret/);
});
