import assert from "node:assert/strict";
import { Attempts } from "../../src/lib/attempts.ts";

Deno.test("cancelAll() cancels each running attempt once, and marks it, unlike an abort of its owner", () => {
  const attempts = new Attempts();
  const owner = new AbortController();
  using one = attempts.begin(owner.signal);
  const other = attempts.begin(new AbortController().signal);
  other[Symbol.dispose]();
  assert.equal(attempts.cancelAll(), 1);
  assert.deepEqual([one.isCancelled, one.signal.aborted], [true, true]);
  assert.deepEqual([other.isCancelled, other.signal.aborted], [false, false], "it has ended");
  using next = attempts.begin(owner.signal);
  assert.equal(next.signal.aborted, false, "a later attempt is not cancelled");
  const reason = new Error("over");
  owner.abort(reason);
  assert.deepEqual([next.signal.reason, next.isCancelled], [reason, false]);
  assert.equal(attempts.cancelAll(), 0);
  assert.equal(next.isCancelled, false);
});

Deno.test("An attempt under an aborted signal is aborted from the start", () => {
  const attempts = new Attempts();
  using late = attempts.begin(AbortSignal.abort(new Error("over")));
  attempts.cancelAll();
  assert.deepEqual([late.signal.aborted, late.isCancelled], [true, false]);
});

Deno.test("An attempt that has ended no longer follows its signal", () => {
  const attempts = new Attempts();
  const owner = new AbortController();
  const attempt = attempts.begin(owner.signal);
  attempt[Symbol.dispose]();
  owner.abort();
  assert.equal(attempt.signal.aborted, false);
});
