import assert from "node:assert/strict";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import { CommandError } from "../../src/model/errors.ts";
import { runDaemon } from "../../src/daemon/run.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { makeLink } from "../fakes/special_files.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

const MARKER = "# ngrokd managed";
const USER = "127.0.0.1 localhost\n";

/** A machine on which a daemon was killed and its journal lost; its /etc is below `root`. */
async function machineWithLeftovers(
  options: { os: ReturnType<System["operatingSystem"]>; permitted: boolean },
): Promise<{ machine: FakeMachine; root: string }> {
  const machine = await FakeMachine.create();
  const root = `${machine.directory}/root`;
  const moved = (value: unknown) =>
    typeof value === "string" && value.startsWith("/etc/") ? `${root}${value}` : value;
  const files = Object.entries(realSystem().files).map(([name, call]) => [
    name,
    (...args: unknown[]) => (call as (...args: unknown[]) => unknown)(...args.map(moved)),
  ]);
  machine.override({
    files: Object.fromEntries(files),
    operatingSystem: () => options.os,
    holds: (asked) => asked.kind === "net" || !asked.path.startsWith("/etc/") || options.permitted,
    // No interface is left.
    run: () => Promise.resolve({ stdout: "[]", stderr: "" }),
  });
  await Deno.mkdir(`${root}/etc/resolver`, { recursive: true });
  await Deno.writeTextFile(machine.hostsPath, USER);
  await Deno.writeTextFile(
    `${root}/etc/resolv.conf`,
    `${MARKER} - do not edit this line\nnameserver 10.107.0.1\n# rest\n`,
  );
  await Deno.writeTextFile(`${machine.etc}/resolv.conf.bak`, "# rest\n");
  await Deno.writeTextFile(`${root}/etc/resolver/myapp`, `${MARKER}\nnameserver 10.107.0.1\nport 53\n`);
  await Deno.writeTextFile(`${root}/etc/resolver/other`, "nameserver 192.0.2.1\n");
  return { machine, root };
}

async function cleanUp(machine: FakeMachine): Promise<void> {
  assert.equal(await machine.run("cleanup"), 0, machine.logText + machine.err.join(""));
}

/** The text of resolv.conf and the names in the resolver directory. */
async function resolverState(root: string): Promise<[resolvConf: string, names: string[]]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(`${root}/etc/resolver`)) names.push(name);
  return [await Deno.readTextFile(`${root}/etc/resolv.conf`), names.sort()];
}

Deno.test("cleanup removes the names of a killed daemon, and refuses while a daemon runs", async () => {
  await using machine = await FakeMachine.create();
  const { hostsPath } = machine;
  await Deno.writeTextFile(hostsPath, USER);
  machine.cloud.addEndpoint({ url: "http://api.myapp:8351", backend: "http" });
  let published = "";
  await withDaemon(machine, async () => {
    await machine.settled(1);
    published = await Deno.readTextFile(hostsPath);
    assert.match(published, /api\.myapp/);
    assert.equal(await machine.run("cleanup"), 1);
    assert.match(machine.err.join(""), /another ngrokd is running/);
    assert.equal(await Deno.readTextFile(hostsPath), published);
  });
  await Deno.writeTextFile(hostsPath, published);
  await cleanUp(machine);
  assert.equal(await Deno.readTextFile(hostsPath), USER);
  await assert.rejects(Deno.stat(machine.socketPath), Deno.errors.NotFound);
});

// The line stayed for ever.
Deno.test("cleanup finds ngrokd's line in resolv.conf by its marker if the journal is lost", async () => {
  const made = await machineWithLeftovers({ os: "linux", permitted: true });
  await using machine = made.machine;
  await cleanUp(machine);
  assert.deepEqual(await resolverState(made.root), ["# rest\n", ["myapp", "other"]]);
  await assert.rejects(Deno.stat(`${machine.etc}/resolv.conf.bak`), Deno.errors.NotFound);
});

Deno.test("cleanup finds ngrokd's files in macOS's resolver directory by their marker", async () => {
  const made = await machineWithLeftovers({ os: "darwin", permitted: true });
  await using machine = made.machine;
  const [before] = await resolverState(made.root);
  await cleanUp(machine);
  assert.deepEqual(await resolverState(made.root), [before, ["other"]]);
});

for (const os of ["linux", "darwin"] as const) {
  // It reported success.
  Deno.test(`cleanup fails on ${os} without permission to remove what is left in /etc`, async () => {
    const made = await machineWithLeftovers({ os, permitted: false });
    await using machine = made.machine;
    const before = await resolverState(made.root);
    assert.equal(await machine.run("cleanup"), 1);
    assert.deepEqual(await resolverState(made.root), before);
    assert.match(machine.logText, /\/etc\/resolv\S+ may hold changes of ngrokd.*Run: ngrokd cleanup/);
    assert.doesNotMatch(machine.logText, /No names and addresses of ngrokd are left/);
  });
}

// Without the marker it did not see the line.
Deno.test("cleanup reports its line in resolv.conf by the address in the journal if it stays", async () => {
  const made = await machineWithLeftovers({ os: "linux", permitted: false });
  await using machine = made.machine;
  const path = `${made.root}/etc/resolv.conf`;
  await Deno.remove(path);
  await Deno.writeTextFile(`${path}.other`, "nameserver 10.107.0.1\nnameserver 192.0.2.1\n");
  await makeLink(`${path}.other`, path);
  const change = { kind: "resolv_conf", path: "/etc/resolv.conf", backup: `${machine.etc}/resolv.conf.bak` };
  const changes = [{ ...change, server: "10.107.0.1" }];
  await Deno.writeTextFile(`${machine.etc}/journal.json`, JSON.stringify({ version: 1, changes }), {
    mode: 0o644,
  });
  assert.equal(await machine.run("cleanup"), 1);
  assert.match(machine.logText, /\/etc\/resolv.conf may hold changes of ngrokd/);
});

Deno.test("cleanup succeeds without permission to write resolv.conf if nothing of ngrokd is in it", async () => {
  const made = await machineWithLeftovers({ os: "linux", permitted: false });
  await using machine = made.machine;
  await Deno.writeTextFile(`${made.root}/etc/resolv.conf`, "nameserver 192.0.2.1\n");
  await cleanUp(machine);
  await Deno.remove(`${made.root}/etc/resolv.conf`);
  await cleanUp(machine);
});

// It said that nothing was left.
Deno.test("cleanup does not claim that nothing is left if it cannot check for an interface", async () => {
  await using machine = await FakeMachine.create();
  machine.override({
    run: (argv) =>
      Promise.reject(new CommandError("Cannot run ip: no such file", { argv, exitCode: -1, stderr: "" })),
  });
  await cleanUp(machine);
  assert.doesNotMatch(machine.logText, /No names and addresses of ngrokd are left/);
  assert.match(machine.logText, /if one exists, run: ip link delete ngrokd0/);
});

Deno.test({
  name: "cleanup as root does not use the journal of another user, and says so",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await FakeMachine.create();
    const section = renderBlock(new Map([["api.myapp", "127.0.0.2"]]));
    const other = `${machine.directory}/other`;
    for (const path of [machine.hostsPath, other]) await Deno.writeTextFile(path, `${USER}\n${section}`);
    const changes = [{ kind: "hosts", path: other, created: true }];
    await Deno.writeTextFile(`${machine.etc}/journal.json`, JSON.stringify({ version: 1, changes }));
    const config = `${machine.directory}/config.yml`;
    await Deno.rename(machine.configPath, config);
    await Deno.chown(machine.etc, 65534, 65534);
    assert.equal(await runDaemon(["cleanup", "--config", config], machine.system), 1);
    assert.match(machine.logText, /Cannot use the journal: .*user 65534 owns the directory/);
    assert.equal(await Deno.readTextFile(machine.hostsPath), USER);
    assert.equal(await Deno.readTextFile(other), `${USER}\n${section}`);
  },
});
