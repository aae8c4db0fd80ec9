import assert from "node:assert/strict";
import { TrafficCounters } from "../../src/forward/traffic_counters.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

Deno.test("TrafficCounters counts connections, bytes and errors of each endpoint", async () => {
  using clock = fakeClock();
  const counters = new TrafficCounters();
  {
    using meter = counters.open("ep_1");
    meter.countIn(3);
    meter.countIn(4);
    meter.countOut(10);
    await clock.pass(5);
    using _other = counters.open("ep_1");
    assert.deepEqual(counters.snapshot("ep_1"), {
      open: 2,
      total: 2,
      bytesIn: 7,
      bytesOut: 10,
      errors: 0,
      lastActivity: Date.now(),
    });
    await clock.pass(5);
  }
  counters.fail("ep_1", "offline");
  const expected = {
    open: 0,
    total: 3,
    bytesIn: 7,
    bytesOut: 10,
    errors: 1,
    lastActivity: Date.now(),
    lastError: "offline",
  };
  assert.deepEqual(counters.snapshot("ep_1"), expected);
  const zeros = { open: 0, total: 0, bytesIn: 0, bytesOut: 0, errors: 0 };
  assert.deepEqual(counters.snapshot("ep_2"), zeros);
  counters.forget(["ep_1"]);
  assert.deepEqual(counters.snapshot("ep_1"), zeros);
});

Deno.test("TrafficCounters.snapshot() returns a copy", () => {
  const counters = new TrafficCounters();
  using meter = counters.open("ep_1");
  const before = counters.snapshot("ep_1");
  meter.countIn(1);
  assert.equal(before.bytesIn, 0);
});
