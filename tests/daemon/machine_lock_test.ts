import assert from "node:assert/strict";
import { LiveConfig } from "../../src/config/live_config.ts";
import { lockMachine } from "../../src/daemon/machine_lock.ts";
import { BindError } from "../../src/model/errors.ts";
import { holdLock } from "../../src/system/lock.ts";
import type { System } from "../../src/system/system.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";

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

Deno.test("lockMachine() goes on without permission to lock, which implies none to change the machine", async () => {
  const denied = new BindError("Cannot bind", { address: "/run/ngrokd/lock", reason: "denied" });
  const system = { holdLock: () => Promise.reject(denied) };
  assert.equal(await lockedPath({ subnet: "10.107.0.0/16", system }), undefined);
});
