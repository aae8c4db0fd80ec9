import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import { CommandError } from "../../src/model/errors.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";

const MARK = "# ngrokd managed";

/** A machine of this system, on which a daemon was killed whose journal is lost; its /etc is in the test's directory. */
async function machineAs(os: System["operatingSystem"], held: boolean): Promise<FakeMachine> {
  const { files } = realSystem();
  let root = "";
  const moved = (value: unknown) =>
    typeof value === "string" && value.startsWith("/etc/") ? `${root}${value}` : value;
  const here = Object.entries(files).map(([verb, run]) => [
    verb,
    (...args: unknown[]) => (run as (...args: unknown[]) => unknown)(...args.map(moved)),
  ]);
  const machine = await fakeMachine("net: {subnet: 127.122.0.0/16}", {
    files: Object.fromEntries(here),
    operatingSystem: os,
    holds: (asked) => asked.kind === "net" || !asked.path.startsWith("/etc/") || held,
    // No interface is left.
    run: () => Promise.resolve({ stdout: "[]", stderr: "" }),
  });
  root = machine.directory;
  await Deno.mkdir(`${root}/etc/resolver`, { recursive: true });
  await Deno.mkdir(`${root}/state`);
  await Deno.writeTextFile(`${root}/hosts`, "127.0.0.1 localhost\n");
  await Deno.writeTextFile(
    `${root}/etc/resolv.conf`,
    `${MARK} - do not edit this line\nnameserver 10.107.0.1\n# rest\n`,
  );
  await Deno.writeTextFile(`${root}/state/resolv.conf.bak`, "# rest\n");
  await Deno.writeTextFile(`${root}/etc/resolver/myapp`, `${MARK}\nnameserver 10.107.0.1\nport 53\n`);
  await Deno.writeTextFile(`${root}/etc/resolver/other`, "nameserver 192.0.2.1\n");
  return machine;
}

async function cleanUp(machine: FakeMachine): Promise<void> {
  const { configPath, system, out, err } = machine;
  assert.equal(await runDaemon(["cleanup", "--config", configPath], system), 0, [...out, ...err].join(""));
}

Deno.test("cleanup finds our line in resolv.conf by its mark where the journal is lost (it stayed for ever)", async () => {
  await using machine = await machineAs(() => "linux", true);
  const { directory } = machine;
  await cleanUp(machine);
  assert.equal(await Deno.readTextFile(`${directory}/etc/resolv.conf`), "# rest\n");
  await assert.rejects(Deno.stat(`${directory}/state/resolv.conf.bak`), Deno.errors.NotFound);
  assert.equal((await Array.fromAsync(Deno.readDir(`${directory}/etc/resolver`))).length, 2);
});

Deno.test("cleanup finds our files of macOS's resolver directory by their mark, and leaves all others", async () => {
  await using machine = await machineAs(() => "darwin", true);
  const { directory } = machine;
  await cleanUp(machine);
  const left = (await Array.fromAsync(Deno.readDir(`${directory}/etc/resolver`))).map(({ name }) => name);
  assert.deepEqual(left, ["other"]);
  assert.match(await Deno.readTextFile(`${directory}/etc/resolv.conf`), /ngrokd managed/);
});

Deno.test("cleanup leaves what its permission set does not hold alone, and that is no failure", async () => {
  for (const os of ["linux", "darwin"] as const) {
    await using machine = await machineAs(() => os, false);
    const { directory } = machine;
    await cleanUp(machine);
    assert.match(await Deno.readTextFile(`${directory}/etc/resolv.conf`), /ngrokd managed/);
    assert.equal((await Array.fromAsync(Deno.readDir(`${directory}/etc/resolver`))).length, 2);
  }
});

Deno.test("cleanup does not promise that nothing is left where it could not look for an interface (it did)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.122.0.0/16}", {
    run: (argv) =>
      Promise.reject(new CommandError("Cannot run ip: no such file", { argv, exitCode: -1, stderr: "" })),
  });
  await cleanUp(machine);
  const said = machine.out.join("");
  assert.doesNotMatch(said, /Nothing of ngrokd is left/);
  assert.match(said, /if one exists, run: ip link delete ngrokd0/);
});
