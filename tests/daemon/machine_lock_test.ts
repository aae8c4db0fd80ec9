import assert from "node:assert/strict";
import { LiveConfig } from "../../src/config/live_config.ts";
import { lockMachine } from "../../src/daemon/machine_lock.ts";
import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { holdLock } from "../../src/system/lock.ts";
import type { System } from "../../src/system/system.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { runModule } from "../fakes/run_module.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

/** Takes the lock and returns its path, if there is one; a second attempt must fail then. */
async function lockedPath(
  options: { subnet: string; system?: Partial<System> },
): Promise<string | undefined> {
  const { subnet, system = {} } = options;
  let path: string | undefined;
  await using machine = await FakeMachine.create({ subnet });
  machine.override({
    holdLock: (asked) => {
      path = asked;
      return holdLock(`${machine.directory}/lock`);
    },
    ...system,
  });
  const live = await LiveConfig.open(machine.configPath, machine.system);
  await using _lock = await lockMachine(live, machine.system);
  if (path !== undefined) await assert.rejects(lockMachine(live, machine.system), BindError);
  return path;
}

// Two daemons with different sockets changed the machine in turns.
Deno.test("lockMachine() admits one ngrokd to the interface and the hosts file, whatever its socket", async () => {
  assert.equal(await lockedPath({ subnet: "10.107.0.0/16" }), "/run/ngrokd/lock");
  assert.equal(await lockedPath({ subnet: "127.130.0.0/16" }), undefined, "it changes neither of them");
  const realHosts = { readEnvironment: () => undefined };
  assert.equal(await lockedPath({ subnet: "127.130.0.0/16", system: realHosts }), "/run/ngrokd/lock");
});

Deno.test("lockMachine() goes on without the lock only if it may not, or cannot, have one", async () => {
  const reasons: [BindFailure, boolean][] = [
    ["denied", true],
    ["not_available", true],
    ["unsafe", false],
    ["other", false],
    ["in_use", false],
  ];
  for (const [reason, goesOn] of reasons) {
    const error = new BindError("Cannot bind", { address: "/run/ngrokd/lock", reason });
    const system = { holdLock: () => Promise.reject(error) };
    const locked = lockedPath({ subnet: "10.107.0.0/16", system });
    if (goesOn) assert.equal(await locked, undefined);
    else await assert.rejects(locked, { name: "BindError", reason });
  }
});

Deno.test("holdLock() distinguishes who is in the way from a lock that this user cannot have", async () => {
  await using directory = await temporaryDirectory();
  const asUser = await runModule(`import { holdLock } from "../../src/system/lock.ts";
    Deno.chmodSync("${directory.path}", 0o755);
    for (const uid of [0, 1000]) {
      Object.defineProperty(Deno, "uid", { value: () => uid, configurable: true });
      await holdLock("${directory.path}/lock").catch(({ reason }) => console.log(uid, reason));
    }`);
  assert.equal(asUser.stdout, "0 unsafe\n1000 denied\n", asUser.stderr);
  await Deno.mkdir(`${directory.path}/lock`);
  await Deno.chmod(directory.path, 0o700);
  await assert.rejects(holdLock(`${directory.path}/lock`), { name: "BindError", reason: "other" });
  await assert.rejects(holdLock(`${directory.path}/none/none/lock`), {
    name: "BindError",
    reason: "not_available",
  });
});
