import assert from "node:assert/strict";
import { SIGNAL_VARIABLE } from "../../src/config/environment_warnings.ts";
import { LiveConfig } from "../../src/config/live_config.ts";
import { formatCidr } from "../../src/lib/ipv4.ts";
import { ConfigError, FileError } from "../../src/model/errors.ts";
import { realSystem, type System } from "../../src/system/system.ts";

/** A configuration file in a directory of its own, and a system that holds every capability. */
async function fakeFile(text: string, changes: Partial<System> = {}) {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/config.yml`;
  await Deno.writeTextFile(path, text, { mode: 0o600 });
  const system: System = {
    ...realSystem(),
    holds: () => true,
    readEnvironment: (name) => name === SIGNAL_VARIABLE ? "blocked" : undefined,
    takeEnvironment: () => undefined,
    ...changes,
  };
  return {
    directory,
    path,
    system,
    write: (next: string) => Deno.writeTextFile(path, next),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

Deno.test("LiveConfig.open() has the default socket of the operating system", async () => {
  for (
    const [os, socket] of [
      ["linux", "/run/ngrokd/ngrokd.sock"],
      ["darwin", "/var/run/ngrokd/ngrokd.sock"],
    ] as const
  ) {
    await using file = await fakeFile("", { operatingSystem: () => os });
    assert.equal((await LiveConfig.open(file.path, file.system)).current.server.socketPath, socket);
  }
});

Deno.test("LiveConfig.open() fails for a missing file, and for a value outside the permission set", async () => {
  await using file = await fakeFile("", { holds: () => false });
  await assert.rejects(LiveConfig.open(`${file.path}2`, file.system), FileError);
  await assert.rejects(LiveConfig.open(file.path, file.system), ConfigError);
});

Deno.test("LiveConfig.open() refuses a configuration or key file that others can change or read", async () => {
  const keyed = "api: {key: abcdefgh}";
  const cases: [text: string, mode: number, says: RegExp | undefined][] = [
    ["", 0o666, /config\.yml: its mode is 0666, so that others can change it/],
    ["", 0o620, /config\.yml: its mode is 0620, so that others can change it/],
    ["", 0o644, undefined],
    [keyed, 0o644, /config\.yml: its mode is 0644, so that others can open it/],
    [keyed, 0o600, undefined],
    ["proxy_url: http://u:p@192.0.2.1:3128", 0o644, /config\.yml: its mode is 0644, so that others can open/],
    ["proxy_url: http://192.0.2.1:3128", 0o644, undefined],
  ];
  for (const [text, mode, says] of cases) {
    await using file = await fakeFile(text);
    await Deno.chmod(file.path, mode);
    if (says === undefined) await LiveConfig.open(file.path, file.system);
    else await assert.rejects(LiveConfig.open(file.path, file.system), says);
  }
  await using file = await fakeFile("", {
    readEnvironment: (name) => name === "NGROK_API_KEY_FILE" ? `${file.directory}/key` : undefined,
  });
  for (const mode of [0o644, 0o640]) {
    await Deno.writeTextFile(`${file.directory}/key`, "one");
    await Deno.chmod(`${file.directory}/key`, mode);
    await assert.rejects(
      LiveConfig.open(file.path, file.system),
      /NGROK_API_KEY_FILE: .*so that others can open/,
    );
  }
});

Deno.test("LiveConfig.openOrDefaults() has the defaults for an invalid and for a missing file", async () => {
  await using file = await fakeFile("net: {start_port: -1}");
  for (const path of [file.path, `${file.path}2`]) {
    const live = await LiveConfig.openOrDefaults(path, file.system);
    assert.equal(live.current.net.startPort, 9080);
    assert.equal(live.path, path);
  }
});

Deno.test("LiveConfig.reload() keeps the running configuration while the file is invalid", async () => {
  await using file = await fakeFile("net: {start_port: 9090}");
  const live = await LiveConfig.open(file.path, file.system);
  await file.write("net: {start_port: -1}");
  const problems = ["net.start_port: -1 is not in 1 to 65535 (The default is 9080)"];
  assert.deepEqual(await live.reload(), { problems });
  assert.equal(live.current.net.startPort, 9090);
  assert.deepEqual([live.report.state, live.report.problems], ["rejected", problems]);

  await file.write("net: {start_port: 9091}");
  const change = { paths: ["net.start_port"], areas: new Set(["endpoints"]), needsRestart: [] };
  assert.deepEqual(await live.reload(), { change });
  assert.deepEqual([live.report.state, live.report.problems], ["ok", []]);
});

// The daemon sent credentials to an endpoint that had the name of its new proxy.
Deno.test("LiveConfig.reload() names a new server before it uses it, and calls beforeUse only then", async () => {
  await using file = await fakeFile("api: {url: https://api.example}", {
    takeEnvironment: (name) => name === "ALL_PROXY" ? "socks5://inherited.example" : undefined,
  });
  const live = await LiveConfig.open(file.path, file.system);
  const before = ["api.example", "inherited.example"];
  assert.deepEqual(live.serverHosts, before);
  const seen: unknown[] = [];
  const beforeUse = () => Promise.resolve(void seen.push([live.serverHosts, live.current.proxy?.hostname]));
  await file.write("api: {url: https://api.example}\nproxy_url: http://new.example\nnet: {start_port: 1}");
  await live.reload({ beforeUse });
  assert.deepEqual(seen, [[[...before, "new.example"], undefined]]);
  await file.write("ingressEndpoint: inherited.example");
  await live.reload({ beforeUse });
  assert.deepEqual(live.serverHosts, ["api.ngrok.com", "inherited.example"]);
  assert.equal(seen.length, 2);
  await file.write("ingressEndpoint: inherited.example\nnet: {start_port: 2}");
  await live.reload({ beforeUse });
  await file.write("proxy_url: http://never.example\nnet: {start_port: x}");
  await live.reload({ beforeUse });
  assert.equal(seen.length, 2);
  assert.ok(!live.serverHosts.includes("never.example"));
});

Deno.test("LiveConfig.reload() reports a changed key file as a change of the API", async () => {
  await using file = await fakeFile("", {
    readEnvironment: (name) => name === "NGROK_API_KEY_FILE" ? `${file.directory}/key` : undefined,
  });
  await Deno.writeTextFile(`${file.directory}/key`, "one", { mode: 0o600 });
  const live = await LiveConfig.open(file.path, file.system);
  assert.deepEqual(live.apiKey, { key: "one", source: "file" });
  await Deno.writeTextFile(`${file.directory}/key`, "two");
  assert.deepEqual(await live.reload(), {
    change: { paths: [], areas: new Set(["api"]), needsRestart: [] },
  });
  assert.equal(live.apiKey.key, "two");
});

Deno.test("LiveConfig.report warns about a key that needs a restart until its value is the old one", async () => {
  await using file = await fakeFile("");
  const live = await LiveConfig.open(file.path, file.system);
  for (
    const [text, warnings] of [
      ["net: {interface_name: a}", ["net.interface_name was changed and takes effect at the next start"]],
      ["net: {interface_name: b}", ["net.interface_name was changed and takes effect at the next start"]],
      ["net: {}", []],
    ] as const
  ) {
    await file.write(text);
    await live.reload();
    assert.deepEqual(live.report.warnings, warnings);
  }
});

// A full disk leaves an empty file, and the daemon went back to its defaults.
Deno.test("LiveConfig keeps the running configuration when its file becomes empty", async () => {
  await using file = await fakeFile("net: {start_port: 9100}");
  const live = await LiveConfig.open(file.path, file.system);
  for (const text of ["", "# nothing but comments\n", "null\n"]) {
    await file.write(text);
    const result = await live.reload();
    assert.ok("problems" in result);
    assert.match(
      result.problems[0]!,
      /it has become empty \(Restore it; to use the defaults, restart ngrokd\)/,
    );
    assert.equal(live.current.net.startPort, 9100);
    assert.equal(live.report.state, "rejected");
  }
  await file.write("net: {}");
  assert.ok("change" in await live.reload());
  await file.write("");
  const atStart = await LiveConfig.open(file.path, file.system);
  assert.ok("change" in await atStart.reload(), "an empty file at the start means the defaults");
});

Deno.test("LiveConfig.report warns about listen interfaces that other machines can reach", async () => {
  await using file = await fakeFile(`net:
  listen_interface: 0.0.0.0
  overrides: {a.example: virtual, b.example: 127.0.0.1, c.example: lo, d.example: 10.0.0.1}
`);
  const live = await LiveConfig.open(file.path, file.system);
  assert.deepEqual(live.report.warnings, [
    'net.listen_interface: clients in net.allow_cidrs can reach these private endpoints on "0.0.0.0"',
    'net.overrides.d.example: clients in net.allow_cidrs can reach these private endpoints on "10.0.0.1"',
  ]);
});

Deno.test("LiveConfig.reload() keeps the names where they are without the permissions for DNS", async () => {
  const holds: System["holds"] = (capability) =>
    capability.kind !== "write" || capability.path !== "/etc/resolv.conf";
  await using file = await fakeFile("dns: {manage_resolv_conf: false}\n", { holds });
  const live = await LiveConfig.open(file.path, file.system);
  await file.write("net: {listen_interface: 0.0.0.0}\n");
  const result = await live.reload();
  assert.ok("problems" in result);
  assert.match(
    result.problems.join(),
    /^net\.listen_interface: .*Restart ngrokd by its launcher, .*: ngrokd run/,
  );
  assert.equal(live.current.net.listenInterface, "virtual");
  // At a start the sets are chosen by the configuration; a reload of such a one needs nothing more.
  const restarted = await LiveConfig.open(file.path, file.system);
  await file.write("net: {listen_interface: 0.0.0.0}\ndns: {enabled: true}\n");
  assert.ok("change" in await restarted.reload());
});

// Every endpoint moved to other loopback addresses.
Deno.test("LiveConfig.reload() keeps a loopback subnet if this run may not create an interface", async () => {
  const cases: [changes: Partial<System>, from: string, to: string, refused: boolean][] = [
    [{}, "127.107.0.0/16", "10.120.0.0/16", true],
    [{}, "127.107.0.0/16", "127.120.0.0/16", false],
    // This machine has the subnet already, and perhaps the other one.
    [{}, "10.107.0.0/16", "10.120.0.0/16", false],
    [{ holds: () => true }, "127.107.0.0/16", "10.120.0.0/16", false],
    // Only Linux has interfaces of ngrokd.
    [{ operatingSystem: () => "darwin" }, "127.107.0.0/16", "10.120.0.0/16", false],
  ];
  for (const [changes, from, to, refused] of cases) {
    const holds: System["holds"] = (capability) => capability.kind !== "run";
    await using file = await fakeFile(`net: {subnet: ${from}}`, {
      holds,
      operatingSystem: () => "linux",
      ...changes,
    });
    const live = await LiveConfig.open(file.path, file.system);
    await file.write(`net: {subnet: ${to}}`);
    const result = await live.reload();
    assert.equal(formatCidr(live.current.net.subnet), refused ? from : to);
    if (!refused) continue;
    assert.ok("problems" in result);
    assert.match(result.problems.join(), /^net\.subnet: .*Restart ngrokd by its launcher, .*: ngrokd run/);
  }
});
