import assert from "node:assert/strict";
import { isNearExpiry, validityProblem } from "../../src/x509/expiry.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);

function lasting(ms: number) {
  return { notBefore: START, notAfter: START + ms };
}

Deno.test("isNearExpiry() is true in the last 30 days, or in the last tenth of a shorter life", () => {
  for (const [ms, leftMs] of [[3650 * DAY, 30 * DAY], [90 * DAY, 9 * DAY], [DAY, 2.4 * HOUR]] as const) {
    const { notAfter } = lasting(ms);
    assert.deepEqual(
      [-leftMs - 1, -leftMs + 1, 0, 1].map((ago) => isNearExpiry(lasting(ms), notAfter + ago)),
      [false, true, true, false],
      `${ms / DAY} days`,
    );
  }
});

Deno.test("validityProblem() reports both ends, and this machine's clock before the first", () => {
  assert.equal(validityProblem(lasting(DAY), START + DAY), undefined);
  assert.equal(validityProblem(lasting(DAY), START + DAY + 1), "expired on 2026-01-02T00:00:00Z");
  assert.equal(
    validityProblem(lasting(DAY), START - 1000),
    "is not valid before 2026-01-01T00:00:00Z (this machine's clock says 2025-12-31T23:59:59Z)",
  );
});
