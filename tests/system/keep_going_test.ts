import assert from "node:assert/strict";
import { keepGoing } from "../../src/system/keep_going.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

Deno.test("keepGoing() restarts a loop after 5, 10, 20 ms, and reports the first failure of a row", async () => {
  using clock = fakeClock();
  const stop = new AbortController();
  const starts: number[] = [];
  const reported: unknown[] = [];
  const done = keepGoing(async (succeeded) => {
    starts.push(performance.now());
    await Promise.resolve();
    if (starts.length === 4) succeeded();
    throw new Error(`failure ${starts.length}`);
  }, { signal: stop.signal, onFailure: (error) => reported.push((error as Error).message) });
  await clock.pass(49);
  assert.deepEqual(starts, [0, 5, 15, 35, 40]);
  assert.deepEqual(reported, ["failure 1", "failure 4"]);
  stop.abort();
  await done;
  assert.equal(clock.timers(), 0);
  assert.equal(starts.length, 5);
});

Deno.test("keepGoing() reports no failure after the abort, and does not start a loop", async () => {
  const stop = new AbortController();
  const pending = Promise.withResolvers<never>();
  const onFailure = () => assert.fail("an abort is no failure");
  const done = keepGoing(() => pending.promise, { signal: stop.signal, onFailure });
  stop.abort();
  pending.reject(new Error("closed"));
  await done;
  await keepGoing(() => assert.fail("it has been aborted"), { signal: stop.signal, onFailure });
});
