import assert from "node:assert/strict";
import { LiveConfig } from "../../src/config/live_config.ts";
import { lockMachine } from "../../src/daemon/machine_lock.ts";
import { BindError } from "../../src/model/errors.ts";
import { holdLock } from "../../src/system/local_socket.ts";
import type { System } from "../../src/system/system.ts";
import { fakeMachine } from "./fake_machine.ts";

async function locked(subnet: string, changes: Partial<System> = {}): Promise<string[]> {
  const asked: string[] = [];
  await using machine = await fakeMachine(`net: {subnet: ${subnet}}`, {
    holdLock: (path) => {
      asked.push(path);
      return holdLock(`${machine.directory}/run/lock`);
    },
    ...changes,
  });
  const live = await LiveConfig.open(machine.configPath, machine.system);
  await using _lock = await lockMachine(live, machine.system);
  if (asked.length > 0) await assert.rejects(lockMachine(live, machine.system), BindError);
  return asked.slice(0, 1);
}

Deno.test("lockMachine() lets one ngrokd only at the interface and the hosts file of a machine, whatever its socket (two took turns)", async () => {
  assert.deepEqual(await locked("10.107.0.0/16"), ["/run/ngrokd/lock"]);
  assert.deepEqual(await locked("127.130.0.0/16"), [], "nothing of the machine is changed");
  assert.deepEqual(await locked("127.130.0.0/16", { readEnvironment: () => undefined }), [
    "/run/ngrokd/lock",
  ]);
});

Deno.test("lockMachine() lets him go on who may not take the lock, and so may change nothing either", async () => {
  const denied = new BindError("Cannot bind", { address: "/run/ngrokd/lock", reason: "denied" });
  assert.deepEqual(await locked("10.107.0.0/16", { holdLock: () => Promise.reject(denied) }), []);
});
