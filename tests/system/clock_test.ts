import assert from "node:assert/strict";
import { limitTime, sleep, withDeadline } from "../../src/system/clock.ts";
import { countedSignal } from "../fakes/counted_signal.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";

async function withClock(test: (clock: FakeClock) => Promise<void>): Promise<void> {
  using clock = fakeClock();
  await test(clock);
  assert.equal(clock.timers(), 0, "a timer is left");
}

function late(): Error {
  return new RangeError("late");
}

Deno.test("sleep() ends after its time and leaves no listener", () =>
  withClock(async (clock) => {
    const { stop, listeners } = countedSignal();
    let done = false;
    const sleeping = sleep(1000, { signal: stop.signal }).then(() => done = true);
    await clock.pass(999);
    assert.equal(done, false);
    await clock.pass(1);
    await sleeping;
    assert.equal(listeners(), 0);
  }));

Deno.test("sleep() throws the signal's reason and leaves no timer", () =>
  withClock(async () => {
    const stop = new AbortController();
    const sleeping = sleep(1000, { signal: stop.signal });
    stop.abort(new RangeError("stop"));
    await assert.rejects(sleeping, RangeError);
    await assert.rejects(sleep(1000, { signal: stop.signal }), RangeError);
  }));

// A timer of more than 2^31 - 1 ms fires at once.
Deno.test("sleep() does not end early if it is longer than a timer can be", () =>
  withClock(async (clock) => {
    const stop = new AbortController();
    let done = false;
    const sleeping = sleep(1e12, { signal: stop.signal }).then(() => done = true, () => {});
    await clock.pass(2 ** 31 - 2);
    assert.equal(done, false);
    stop.abort();
    await sleeping;
  }));

Deno.test("withDeadline() returns a result that is in time, and leaves no timer and no listener", () =>
  withClock(async () => {
    const { stop, listeners } = countedSignal();
    assert.equal(await withDeadline(Promise.resolve(5), { ms: 10, signal: stop.signal, onTimeout: late }), 5);
    await assert.rejects(
      withDeadline(Promise.reject(new TypeError("own")), { ms: 10, signal: stop.signal, onTimeout: late }),
      TypeError,
    );
    assert.equal(listeners(), 0);
  }));

Deno.test("withDeadline() throws at the deadline; a later rejection has no effect", () =>
  withClock(async (clock) => {
    const work = Promise.withResolvers<void>();
    const waiting = assert.rejects(withDeadline(work.promise, { ms: 10, onTimeout: late }), RangeError);
    await clock.pass(10);
    await waiting;
    work.reject(new Error("later"));
    await clock.pass(0);
  }));

Deno.test("withDeadline() throws the signal's reason; a later rejection has no effect", () =>
  withClock(async (clock) => {
    const stop = new AbortController();
    const work = Promise.withResolvers<void>();
    const waiting = assert.rejects(
      withDeadline(work.promise, { ms: 10, signal: stop.signal, onTimeout: late }),
      SyntaxError,
    );
    stop.abort(new SyntaxError("stop"));
    await waiting;
    await assert.rejects(
      withDeadline(work.promise, { ms: 10, signal: stop.signal, onTimeout: late }),
      SyntaxError,
    );
    work.reject(new Error("later"));
    await clock.pass(0);
  }));

Deno.test("limitTime() aborts after its time, and isOver tells that from an abort", () =>
  withClock(async (clock) => {
    using limit = limitTime(1000);
    await clock.pass(999);
    assert.deepEqual([limit.signal.aborted, limit.isOver], [false, false]);
    await clock.pass(1);
    assert.deepEqual([limit.signal.aborted, limit.isOver], [true, true]);
  }));

Deno.test("limitTime() follows a signal with its reason until it is disposed", () =>
  withClock(async (clock) => {
    const { stop, listeners } = countedSignal();
    {
      using limit = limitTime(1000, { signal: stop.signal });
      assert.equal(listeners(), 1);
      stop.abort("why");
      assert.deepEqual([limit.signal.reason, limit.isOver], ["why", false]);
      await clock.pass(1000);
      assert.equal(limit.isOver, false);
    }
    assert.equal(listeners(), 0);
    using after = limitTime(1000, { signal: stop.signal });
    assert.equal(after.signal.reason, "why");
  }));
