import assert from "node:assert/strict";
import fc from "fast-check";
import { backoffDelay } from "../../src/lib/backoff.ts";

Deno.test("backoffDelay() doubles from the base up to the limit", () => {
  const delays = [1, 2, 3, 4, 5, 6].map((failures) => backoffDelay(failures, { baseMs: 5, maxMs: 100 }));
  assert.deepEqual(delays, [5, 10, 20, 40, 80, 100]);
});

Deno.test("backoffDelay() stays within its bounds for any number of failures and any random value", () => {
  const input = fc.record({
    failures: fc.oneof(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    ),
    baseMs: fc.integer({ min: 1, max: 60_000 }),
    maxMs: fc.integer({ min: 1, max: 300_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    drawn: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  fc.assert(
    fc.property(input, ({ failures, baseMs, maxMs, jitter, drawn }) => {
      const whole = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 40));
      const delay = backoffDelay(failures, { baseMs, maxMs, jitter, random: () => drawn });
      assert.ok(Number.isInteger(delay) && delay <= maxMs, `${delay}`);
      assert.ok(delay >= Math.floor(whole * (1 - jitter)) && delay <= whole, `${delay} of ${whole}`);
    }),
    { seed: 20260103, numRuns: 500 },
  );
});

Deno.test("backoffDelay() with full jitter returns any part of the delay, from 0", () => {
  assert.equal(backoffDelay(3, { baseMs: 100, maxMs: 1000, jitter: 1, random: () => 0 }), 0);
  assert.equal(backoffDelay(3, { baseMs: 100, maxMs: 1000, jitter: 1, random: () => 0.5 }), 200);
});

Deno.test("backoffDelay() throws RangeError for fewer failures than 1", () => {
  for (const failures of [0, -1]) {
    assert.throws(() => backoffDelay(failures, { baseMs: 1, maxMs: 1 }), RangeError);
  }
});
