import assert from "node:assert/strict";
import { TrafficBook } from "../../src/forward/traffic_book.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

Deno.test("TrafficBook counts connections, bytes and errors of each endpoint apart", async () => {
  using clock = fakeClock();
  const book = new TrafficBook();
  {
    using meter = book.open("ep_1");
    meter.countIn(3);
    meter.countIn(4);
    meter.countOut(10);
    await clock.pass(5);
    using _other = book.open("ep_1");
    assert.deepEqual(book.snapshot("ep_1"), {
      open: 2,
      total: 2,
      bytesIn: 7,
      bytesOut: 10,
      errors: 0,
      lastActivity: Date.now(),
    });
    await clock.pass(5);
  }
  book.fail("ep_1", "offline");
  const expected = {
    open: 0,
    total: 3,
    bytesIn: 7,
    bytesOut: 10,
    errors: 1,
    lastActivity: Date.now(),
    lastError: "offline",
  };
  assert.deepEqual(book.snapshot("ep_1"), expected);
  const zeros = { open: 0, total: 0, bytesIn: 0, bytesOut: 0, errors: 0 };
  assert.deepEqual(book.snapshot("ep_2"), zeros);
  book.forget(["ep_1"]);
  assert.deepEqual(book.snapshot("ep_1"), zeros);
});

Deno.test("TrafficBook gives counts that do not change afterwards", () => {
  const book = new TrafficBook();
  using meter = book.open("ep_1");
  const before = book.snapshot("ep_1");
  meter.countIn(1);
  assert.equal(before.bytesIn, 0);
});
