import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

// Each shared address was an error, and the signing request of a replaced key stayed.
Deno.test("runDaemon() takes over the state files of the Go daemon without an error (R105)", async () => {
  await using machine = await FakeMachine.create();
  const { etc, network, cloud } = machine;
  const [shared, own] = [network.address("0.7"), network.address("0.8")];
  const mappings = { "api.test": shared, "db.test": shared, "wildcard:apps.test": own };
  await Deno.writeTextFile(`${etc}/ip_mappings.json`, JSON.stringify(mappings, null, 2), { mode: 0o644 });
  await Deno.writeTextFile(`${etc}/network_ports.json`, '{\n  "db.test:5432": 9080\n}', { mode: 0o644 });
  await Deno.writeTextFile(`${etc}/tls.csr`, "-----BEGIN CERTIFICATE REQUEST-----\n", { mode: 0o644 });
  cloud.addEndpoint({ url: "http://api.test:8361", backend: "http" });
  cloud.addEndpoint({ url: "tcp://db.test:8362", backend: "echo" });
  await withDaemon(machine, async () => {
    const [api, db] = await machine.active(2);
    assert.equal(api!.ip, shared);
    assert.notEqual(db!.ip, shared);
    assert.deepEqual((await machine.askStatus()).problems, []);
  });
  assert.doesNotMatch(machine.logText, / ERROR /);
  assert.match(machine.logText, / INFO sync: db\.test moved to an address of its own/);
  await assert.rejects(Deno.stat(`${etc}/tls.csr`), Deno.errors.NotFound);
});
