import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { keepGoing } from "../../src/system/keep_going.ts";

Deno.test("keepGoing() runs a loop again after 5, 10, 20 ms, tells of the first failure only, and starts anew after a success", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const stop = new AbortController();
    const starts: number[] = [];
    const told: unknown[] = [];
    const done = keepGoing(async (succeeded) => {
      starts.push(performance.now());
      await Promise.resolve();
      if (starts.length === 4) succeeded();
      throw new Error(`failure ${starts.length}`);
    }, { signal: stop.signal, onFailure: (error) => told.push((error as Error).message) });
    await clock.tickAsync(49);
    assert.deepEqual(starts, [0, 5, 15, 35, 40]);
    assert.deepEqual(told, ["failure 1", "failure 4"]);
    stop.abort();
    await done;
    assert.equal(clock.countTimers(), 0);
    assert.equal(starts.length, 5);
  } finally {
    clock.uninstall();
  }
});

Deno.test("keepGoing() ends without a word when its loop ends by the abort, and does not start after it", async () => {
  const stop = new AbortController();
  const pending = Promise.withResolvers<never>();
  const onFailure = () => assert.fail("an end is no failure");
  const done = keepGoing(() => pending.promise, { signal: stop.signal, onFailure });
  stop.abort();
  pending.reject(new Error("closed"));
  await done;
  await keepGoing(() => assert.fail("it is over"), { signal: stop.signal, onFailure });
});
