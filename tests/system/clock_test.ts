import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { limitTime, sleep, withDeadline } from "../../src/system/clock.ts";

/** An abort signal that counts who listens to it. */
function counted(): { stop: AbortController; listeners: () => number } {
  const stop = new AbortController();
  let count = 0;
  const { addEventListener, removeEventListener } = stop.signal;
  stop.signal.addEventListener = (...args: unknown[]) => {
    count++;
    Reflect.apply(addEventListener, stop.signal, args);
  };
  stop.signal.removeEventListener = (...args: unknown[]) => {
    count--;
    Reflect.apply(removeEventListener, stop.signal, args);
  };
  return { stop, listeners: () => count };
}

async function withClock(test: (clock: FakeTimers.Clock) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  try {
    await test(clock);
    assert.equal(clock.countTimers(), 0, "a timer is left");
  } finally {
    clock.uninstall();
  }
}

function late(): Error {
  return new RangeError("late");
}

Deno.test("sleep() ends after its time, not before, and leaves no listener", () =>
  withClock(async (clock) => {
    const { stop, listeners } = counted();
    let done = false;
    const sleeping = sleep(1000, { signal: stop.signal }).then(() => done = true);
    await clock.tickAsync(999);
    assert.equal(done, false);
    await clock.tickAsync(1);
    await sleeping;
    assert.equal(listeners(), 0);
  }));

Deno.test("sleep() ends with the signal's reason, and leaves no timer", () =>
  withClock(async () => {
    const stop = new AbortController();
    const sleeping = sleep(1000, { signal: stop.signal });
    stop.abort(new RangeError("stop"));
    await assert.rejects(sleeping, RangeError);
    await assert.rejects(sleep(1000, { signal: stop.signal }), RangeError);
  }));

Deno.test("sleep() for longer than a timer can be does not end at once (it did)", () =>
  withClock(async (clock) => {
    const stop = new AbortController();
    let done = false;
    const sleeping = sleep(1e12, { signal: stop.signal }).then(() => done = true, () => {});
    await clock.tickAsync(2 ** 31 - 2);
    assert.equal(done, false);
    stop.abort();
    await sleeping;
  }));

Deno.test("withDeadline() gives the result that comes in time, and leaves no timer and no listener", () =>
  withClock(async () => {
    const { stop, listeners } = counted();
    assert.equal(await withDeadline(Promise.resolve(5), { ms: 10, signal: stop.signal, onTimeout: late }), 5);
    await assert.rejects(
      withDeadline(Promise.reject(new TypeError("own")), { ms: 10, signal: stop.signal, onTimeout: late }),
      TypeError,
    );
    assert.equal(listeners(), 0);
  }));

Deno.test("withDeadline() throws when the time is over; a rejection that comes later ends nothing", () =>
  withClock(async (clock) => {
    const work = Promise.withResolvers<void>();
    const waiting = assert.rejects(withDeadline(work.promise, { ms: 10, onTimeout: late }), RangeError);
    await clock.tickAsync(10);
    await waiting;
    work.reject(new Error("too late to matter"));
    await clock.tickAsync(0);
  }));

Deno.test("withDeadline() throws the signal's reason, during the wait and before it; later rejections end nothing", () =>
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
    work.reject(new Error("too late to matter"));
    await clock.tickAsync(0);
  }));

Deno.test("limitTime() aborts when the time is over, and says that it was the time", () =>
  withClock(async (clock) => {
    using limit = limitTime(1000);
    await clock.tickAsync(999);
    assert.deepEqual([limit.signal.aborted, limit.isOver], [false, false]);
    await clock.tickAsync(1);
    assert.deepEqual([limit.signal.aborted, limit.isOver], [true, true]);
  }));

Deno.test("limitTime() follows a signal with its reason, also one that has aborted, and lets go of it", () =>
  withClock(async (clock) => {
    const { stop, listeners } = counted();
    {
      using limit = limitTime(1000, { signal: stop.signal });
      assert.equal(listeners(), 1);
      stop.abort("why");
      assert.deepEqual([limit.signal.reason, limit.isOver], ["why", false]);
      await clock.tickAsync(1000);
      assert.equal(limit.isOver, false);
    }
    assert.equal(listeners(), 0);
    using after = limitTime(1000, { signal: stop.signal });
    assert.equal(after.signal.reason, "why");
  }));
