import assert from "node:assert/strict";
import { ClientSlots } from "../../../src/forward/admission/client_slots.ts";
import { captureLog } from "../../fakes/captured_log.ts";

// One client could once hold all 2,048 upstream connections.
Deno.test("ClientSlots limits each client of the network, and warns once", async () => {
  await using logged = await captureLog();
  const slots = new ClientSlots(2);
  const greedy = { peer: "192.168.1.66", local: "192.168.1.2" };
  const first = slots.take(greedy);
  assert.ok(first);
  assert.ok(slots.take(greedy));
  assert.equal(slots.take(greedy), undefined);
  assert.ok(slots.take({ peer: "192.168.1.7", local: "192.168.1.2" }));
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.ok(slots.take(greedy));
  assert.equal(slots.take(greedy), undefined);
  assert.deepEqual(logged.lines("warning"), [
    "Client 192.168.1.66 reached its limit of 2 connections; refusing more",
  ]);
});

Deno.test("ClientSlots does not limit the programs of this machine", () => {
  const slots = new ClientSlots(1);
  for (let number = 0; number < 3; number++) {
    assert.ok(slots.take({ peer: "10.107.0.2", local: "10.107.0.2" }));
    assert.ok(slots.take({ peer: "127.0.0.1", local: "10.107.0.2" }));
  }
});
