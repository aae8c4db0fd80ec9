import assert from "node:assert/strict";
import { isNearExpiry, validityProblem } from "../../src/x509/expiry.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);

function life(ms: number) {
  return { notBefore: START, notAfter: START + ms };
}

Deno.test("isNearExpiry() is true in the last month of a CA of years, and in the last tenth of a shorter life", () => {
  for (const [ms, leftMs] of [[3650 * DAY, 30 * DAY], [90 * DAY, 9 * DAY], [DAY, 2.4 * HOUR]] as const) {
    const { notAfter } = life(ms);
    assert.deepEqual(
      [-leftMs - 1, -leftMs + 1, 0, 1].map((ago) => isNearExpiry(life(ms), notAfter + ago)),
      [false, true, true, false],
      `${ms / DAY} days`,
    );
  }
});

Deno.test("validityProblem() tells both ends, and the clock where that may be what is wrong", () => {
  assert.equal(validityProblem(life(DAY), START + DAY), undefined);
  assert.equal(validityProblem(life(DAY), START + DAY + 1), "expired on 2026-01-02T00:00:00Z");
  assert.equal(
    validityProblem(life(DAY), START - 1000),
    "is not valid before 2026-01-01T00:00:00Z (this machine's clock says 2025-12-31T23:59:59Z)",
  );
});
