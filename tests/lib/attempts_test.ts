import assert from "node:assert/strict";
import { Attempts } from "../../src/lib/attempts.ts";

Deno.test("Attempts breaks off all that run, once, and tells them from those that their own signal ends", () => {
  const attempts = new Attempts();
  const owner = new AbortController();
  using one = attempts.begin(owner.signal);
  const other = attempts.begin(new AbortController().signal);
  other[Symbol.dispose]();
  assert.equal(attempts.breakOff(), 1);
  assert.deepEqual([one.isBrokenOff, one.signal.aborted], [true, true]);
  assert.deepEqual([other.isBrokenOff, other.signal.aborted], [false, false], "it was over");
  using next = attempts.begin(owner.signal);
  assert.equal(next.signal.aborted, false, "what begins afterwards is another one");
  const reason = new Error("over");
  owner.abort(reason);
  assert.deepEqual([next.signal.reason, next.isBrokenOff], [reason, false]);
  assert.equal(attempts.breakOff(), 0);
  assert.equal(next.isBrokenOff, false);
});

Deno.test("Attempts begins none that could run under a signal that has aborted", () => {
  const attempts = new Attempts();
  using late = attempts.begin(AbortSignal.abort(new Error("over")));
  attempts.breakOff();
  assert.deepEqual([late.signal.aborted, late.isBrokenOff], [true, false]);
});

Deno.test("Attempts lets go of the signal that it followed, so that a long-lived one does not collect them", () => {
  const attempts = new Attempts();
  const owner = new AbortController();
  const attempt = attempts.begin(owner.signal);
  attempt[Symbol.dispose]();
  owner.abort();
  assert.equal(attempt.signal.aborted, false);
});
