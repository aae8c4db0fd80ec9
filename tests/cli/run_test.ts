import assert from "node:assert/strict";
import type { CtlIo } from "../../src/cli/io.ts";
import { ownerSocketPath } from "../../src/config/paths.ts";
import { RequestError } from "../../src/control/protocol.ts";
import { connectLocal } from "../../src/system/local_socket.ts";
import { startFakeDaemon } from "./fake_daemon.ts";
import { type Ran, runFake } from "./fake_io.ts";
import { ENDPOINT, HEALTH, STATUS } from "./reports.ts";

/** Runs a command against a fake daemon with these answers. */
async function against(answers: Record<string, unknown>, argv: readonly string[]): Promise<Ran> {
  await using daemon = await startFakeDaemon(answers);
  const readEnvironment = (name: string) => name === "NGROKD_SOCKET" ? daemon.path : undefined;
  return await runFake(argv, { connect: connectLocal, readEnvironment });
}

function failing(error: Error): Partial<CtlIo> {
  return { connect: () => Promise.reject(error) };
}

Deno.test("ngrokctl status prints the report, and all of its JSON with --json before or after", async () => {
  const text = await against({ status: STATUS }, ["status"]);
  assert.deepEqual([text.code, text.err], [0, ""]);
  assert.match(text.out, /^degraded: [^\n]*\n╔.*\n {2}✓ Registered: {8}Yes\n/s);
  // A newer daemon may have more fields, at any depth.
  const newer = { ...STATUS, later: true, api: { ...STATUS.api, later: { x: [2] } } };
  for (const argv of [["status", "--json"], ["--json", "status"]]) {
    assert.deepEqual(JSON.parse((await against({ status: newer }, argv)).out), newer);
  }
});

Deno.test("ngrokctl status exits 0, 1 if nothing is served, or 3; health tells by its text (R108)", async () => {
  const verdicts = [["ok", 0], ["degraded", 0], ["down", 1]] as const;
  for (const [verdict, code] of verdicts) {
    const summary = `${verdict}: why`;
    for (const argv of [["status"], ["status", "--json"]]) {
      const answers = { status: { ...STATUS, verdict, summary } };
      assert.equal((await against(answers, argv)).code, code, `${argv}: ${verdict}`);
    }
    const health = await against({ health: { ...HEALTH, verdict, summary } }, ["health"]);
    assert.deepEqual([health.code, health.out.split("\n")[0]], [0, summary]);
  }
  const none = failing(new Deno.errors.NotFound("no such file"));
  for (const command of ["status", "health"]) assert.equal((await runFake([command], none)).code, 3);
});

Deno.test("ngrokctl list --json wraps the endpoints, sorted by name, port and id", async () => {
  const at = (hostname: string, port: number, id: string) => ({ ...ENDPOINT, hostname, port, id });
  const sorted = [at("a", 80, "1"), at("a", 443, "0"), at("a", 443, "2"), at("b", 1, "3")];
  for (const endpoints of [sorted, []]) {
    const { code, out } = await against({ list: endpoints.toReversed() }, ["list", "--json"]);
    assert.deepEqual([code, JSON.parse(out)], [0, { schema: 1, endpoints, refused_count: 0 }]);
  }
  assert.match((await against({ list: [ENDPOINT] }, ["list"])).out, /\n {2}Total: 1 endpoint\(s\)\n\n$/);
});

// A row with the URL "150 more entries" stood for the refused endpoints that are not kept.
Deno.test("ngrokctl list says how many refused endpoints have no row (R71)", async () => {
  const endpoints = Array.from({ length: 100 }, (_, n) => ({ ...ENDPOINT, id: `${n}`, state: "refused" }));
  const answers = { list: [ENDPOINT, ...endpoints], status: { ...STATUS, refused_count: 250 } };
  const { out } = await against(answers, ["list"]);
  assert.match(out, /\n {2}Total: 101 endpoint\(s\), and 150 more that are refused\n\n$/);
  const json = JSON.parse((await against(answers, ["list", "--json"])).out);
  assert.deepEqual([json.endpoints.length, json.refused_count], [101, 250]);
});

Deno.test("ngrokctl health prints the verdict, and the report under its box with sorted keys", async () => {
  const { out } = await against({ health: HEALTH }, ["health"]);
  const lines = out.split("\n");
  assert.equal(lines[0], "ok");
  assert.equal(lines[2], "║                 Daemon Health                         ║");
  assert.deepEqual(lines.slice(5, 9), [
    "  {",
    '    "api": {',
    '      "error": null,',
    '      "last_poll": "2026-08-01T10:00:00Z",',
  ]);
  assert.deepEqual(lines.slice(-3), ["  }", "", ""]);
  assert.deepEqual(JSON.parse(lines.slice(5).join("\n")), HEALTH);
  const json = await against({ health: HEALTH }, ["health", "--json"]);
  assert.deepEqual(JSON.parse(json.out), { schema: 1, ...HEALTH });
});

Deno.test("ngrokctl refresh-cert prints the daemon's sentence and passes --force on", async () => {
  const answers = { "refresh-cert": (args: string[]) => `renewed ${args.join()}` };
  assert.equal((await against(answers, ["refresh-cert", "--force"])).out, "✓ renewed --force\n");
  assert.equal((await against(answers, ["refresh-cert"])).out, "✓ renewed \n");
  const json = await against(answers, ["refresh-cert", "--json"]);
  assert.deepEqual(JSON.parse(json.out), { schema: 1, message: "renewed " });
});

Deno.test("ngrokctl rebind prints the daemon's sentence", async () => {
  const answers = { rebind: "moved" };
  assert.equal((await against(answers, ["rebind"])).out, "✓ moved\n");
  assert.deepEqual(JSON.parse((await against(answers, ["rebind", "--json"])).out), {
    schema: 1,
    message: "moved",
  });
});

Deno.test("ngrokctl version needs no daemon", async () => {
  assert.deepEqual(await runFake(["version"]), { code: 0, out: "ngrokctl version 0.4.0\n", err: "" });
  assert.deepEqual(await runFake(["--version"]), { code: 0, out: "ngrokctl version 0.4.0\n", err: "" });
  assert.deepEqual(JSON.parse((await runFake(["version", "--json"])).out), { schema: 1, version: "0.4.0" });
});

Deno.test("ngrokctl uses the socket of --socket, else NGROKD_SOCKET, else the default", async () => {
  const now = "/run/ngrokd/ngrokd.sock";
  const cases: readonly (readonly [argv: readonly string[], variable: string | undefined, path: string])[] = [
    [[], undefined, now],
    [[], "/tmp/a.sock", "/tmp/a.sock"],
    [["--socket", "/tmp/b.sock"], "/tmp/a.sock", "/tmp/b.sock"],
    [["--socket="], "/tmp/a.sock", "/tmp/a.sock"],
    // The Go daemon's path means the default.
    ...["/var/run/ngrokd.sock", "/run/ngrokd.sock"].flatMap((old) => [
      [[], old, now] as const,
      [["--socket", old], undefined, now] as const,
    ]),
  ];
  for (const [argv, variable, path] of cases) {
    const paths: string[] = [];
    await runFake([...argv, "status"], {
      readEnvironment: () => variable,
      connect: (where) => {
        paths.push(where);
        return Promise.reject(new Deno.errors.NotFound());
      },
    });
    assert.deepEqual(paths, [ownerSocketPath(path), path]);
  }
});

for (
  const { situation, error, code, hint } of [
    {
      situation: "the daemon is not running",
      error: new Deno.errors.ConnectionRefused(),
      code: 3,
      hint: /^Start it: sudo ngrokd run\b/,
    },
    {
      situation: "this user may not open the socket",
      error: new Deno.errors.PermissionDenied(),
      code: 1,
      hint: /the group ngrokd .*sudo$/,
    },
  ]
) {
  Deno.test(`ngrokctl exits with ${code} and the next step if ${situation}`, async () => {
    const ran = await runFake(["list"], failing(error));
    assert.deepEqual([ran.code, ran.out], [code, ""]);
    const lines = ran.err.split("\n");
    assert.match(lines[0]!, /^Error: failed to connect to daemon: .* \/run\/ngrokd\/ngrokd.sock$/);
    assert.equal(lines[1], "Is ngrokd running?");
    assert.match(lines[2]!, hint);
  });
}

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

Deno.test("ngrokctl prints the daemon's refusal and its hint without control characters", async () => {
  const refusal = new RequestError("bad\nkey \x1b[2J", { hint: "Look:\nhere" });
  const { code, err } = await against({ "refresh-cert": () => Promise.reject(refusal) }, ["refresh-cert"]);
  assert.equal(code, 1);
  assert.equal(err, "Error: bad\n  key \\u001b[2J\nLook:\nhere\n");
});

Deno.test("ngrokctl refuses answers of another form, and names the part", async () => {
  const wrong = { ...STATUS, api: { ...STATUS.api, state: "sleepy" } };
  const { code, err } = await against({ status: wrong }, ["status"]);
  assert.equal(code, 1);
  // The answer of `status` can be the one that cannot be read, so that the hint must not name it.
  assert.equal(
    err,
    "Error: Cannot read the response of the daemon: unknown form at api.state\n" +
      "Check that both print the same version: ngrokd --version, ngrokctl version\n",
  );
  assert.match((await against({ list: "x" }, ["list"])).err, /unknown form\n/);
});

/** A wrong command line, and the output. */
const WRONG: readonly (readonly [argv: readonly string[], err: RegExp])[] = [
  [[], /^Error: A command is required\n\nUsage: ngrokctl /],
  [["lst"], /^Unknown command: lst\nDid you mean: ngrokctl list\n\nUsage: ngrokctl /],
  [["frobnicate"], /^Unknown command: frobnicate\n\nUsage: /],
  [["list", "--jsn"], /^Error: unknown option '--jsn'\n.*--json.*\nSee: ngrokctl help\n$/],
  [["list", "extra"], /^Error: too many arguments for 'list'/],
  [["config"], /^Usage: ngrokctl config edit\n$/],
  [["config", "edt"], /^Unknown command: config edt\nDid you mean: ngrokctl config edit\n/],
  [["help", "lst"], /^Unknown command: lst\n/],
  // The arguments are not repeated, because they are a key.
  [
    ["set-api-key", "2abc:", "def"],
    /^Error: too many arguments for 'set-api-key'\. Expected 1 argument\nSee/,
  ],
];

for (const [argv, expected] of WRONG) {
  Deno.test(`ngrokctl ${argv.join(" ") || "without arguments"} exits with 2 and the usage`, async () => {
    const { code, out, err } = await runFake(argv);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, expected);
    assert.doesNotMatch(err, /2abc|QQQ|SECRET/);
  });
}

Deno.test("ngrokctl help, --help and -h print the usage and exit with 0", async () => {
  const [first, ...others] = await Promise.all([["help"], ["--help"], ["-h"]].map((argv) => runFake(argv)));
  assert.deepEqual([first?.code, first?.err], [0, ""]);
  assert.match(first?.out ?? "", /^Usage: ngrokctl .*Examples:\n {2}ngrokctl status\n/s);
  for (const other of others) assert.deepEqual(other, first);
});

Deno.test("ngrokctl help fits into 80 columns and has an example for every command", async () => {
  const all = JSON.parse((await runFake(["help", "--json"])).out);
  const names: string[] = all.commands.map((command: { name: string }) => command.name);
  assert.deepEqual([all.schema, all.name], [1, "ngrokctl"]);
  assert.equal(
    names.join(" "),
    "status list health set-api-key refresh-cert rebind trust config version help",
  );
  const inner = ["config edit", "trust show", "trust fetch", "trust forget"];
  for (const words of [...names, ...inner].map((name) => name.split(" "))) {
    const { code, out } = await runFake([...words, "--help"]);
    assert.equal(code, 0);
    assert.match(out, /\nExamples?:\n {2}\S*.*ngrokctl /, words.join(" "));
    for (const line of out.split("\n")) assert(line.length <= 80, line);
    assert.deepEqual(await runFake(["help", ...words]), { code: 0, out, err: "" });
  }
});
