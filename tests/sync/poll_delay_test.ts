import assert from "node:assert/strict";
import fc from "fast-check";
import { ApiError } from "../../src/model/errors.ts";
import { nextPollDelay, type PollDelayInput } from "../../src/sync/poll_delay.ts";

function apiError(status: number, code = "", retryAfterMs?: number): ApiError {
  return new ApiError("failed", { status, code, retryAfterMs });
}

/** The delays with the lowest, the middle and the highest random number. */
function delays(input: Partial<PollDelayInput>): number[] {
  return [0, 0.5, 0.999999999].map((number) =>
    nextPollDelay({
      intervalMs: 30_000,
      failures: 0,
      error: undefined,
      pages: 1,
      random: () => number,
      ...input,
    })
  );
}

Deno.test("nextPollDelay() is the interval, a tenth more or less", () => {
  assert.deepEqual(delays({}), [27_000, 30_000, 33_000]);
});

Deno.test("nextPollDelay() is at least one second a page (docs/protocol.md 1.4)", () => {
  assert.deepEqual(delays({ pages: 100 }), [100_000, 100_000, 110_000]);
  assert.deepEqual(delays({ intervalMs: 1000, pages: 1 }), [1000, 1000, 1100]);
});

Deno.test("nextPollDelay() doubles with each failure, up to five minutes (F35)", () => {
  const middle = [1, 2, 3, 4, 5, 50, 5000].map((failures) => delays({ failures, error: apiError(500) })[1]);
  assert.deepEqual(middle, [60_000, 120_000, 240_000, 300_000, 300_000, 300_000, 300_000]);
});

Deno.test("nextPollDelay() after a failure is at least the interval", () => {
  assert.deepEqual(delays({ failures: 9, intervalMs: 900_000, error: apiError(500) })[1], 900_000);
});

for (
  const [retryAfterMs, expected] of [
    [undefined, [300_000, 315_000, 330_000]],
    [60_000, [300_000, 315_000, 330_000]],
    [600_000, [600_000, 630_000, 660_000]],
    [900_000, [900_000, 945_000, 990_000]],
  ] as const
) {
  const demand = retryAfterMs === undefined ? "no Retry-After" : `Retry-After: ${retryAfterMs / 1000}`;
  Deno.test(`nextPollDelay() is ${expected[0] / 1000} s or more for a refused key with ${demand} (F36)`, () => {
    for (const status of [401, 403]) {
      const error = apiError(status, "", retryAfterMs);
      assert.deepEqual(delays({ failures: 1, error }), expected);
      assert.equal(delays({ failures: 1, error, intervalMs: 1_200_000 })[0], 1_200_000);
    }
  });
}

Deno.test("nextPollDelay() honours a Retry-After that is longer than its own delay (F37)", () => {
  assert.deepEqual(delays({ failures: 1, error: apiError(429, "ERR_NGROK_226", 90_000) }), [
    90_000,
    90_000,
    90_000,
  ]);
  assert.deepEqual(delays({ failures: 1, error: apiError(429, "ERR_NGROK_226", 1000) })[1], 60_000);
});

Deno.test("nextPollDelay() stays within its bounds for any history", () => {
  const error = fc.oneof(
    fc.constant(new Error("x")),
    fc.record({
      status: fc.integer({ min: 0, max: 599 }),
      after: fc.option(fc.nat(900_000), { nil: undefined }),
    }).map(({ status, after }) => apiError(status, "", after)),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 600_000 }),
      fc.nat(100),
      error,
      fc.integer({ min: 1, max: 200 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (intervalMs, failures, failure, pages, draw) => {
        const delay = nextPollDelay({
          intervalMs,
          failures,
          error: failures === 0 ? undefined : failure,
          pages,
          random: () => draw,
        });
        const after = failure instanceof ApiError ? failure.retryAfterMs ?? 0 : 0;
        assert.ok(delay >= pages * 1000 && delay >= intervalMs * 0.9 - 1, `${delay}`);
        assert.ok(delay <= Math.max(after, 330_000, 1.1 * intervalMs, 1.1 * pages * 1000) + 1, `${delay}`);
      },
    ),
    { seed: 20260112, numRuns: 500 },
  );
});
