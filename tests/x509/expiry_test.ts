import assert from "node:assert/strict";
import { isNearExpiry, validityProblem } from "../../src/x509/expiry.ts";
import { ownWarning } from "../../src/identity/own_warning.ts";

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

Deno.test("ownWarning() is silent while all is as it should be, then tells how long is left, then that it has ended", () => {
  const at = (day: number, hasFailed: boolean) =>
    ownWarning(life(90 * DAY), { nowMs: START + day * DAY, hasFailed });
  assert.equal(at(59, true), undefined, "a renewal by force that failed changes nothing yet");
  assert.equal(at(61, false), undefined, "its turn comes in the first tenth of the window");
  assert.equal(
    at(61, true),
    "It is overdue for renewal since 2026-03-02T00:00:00Z, and expires on 2026-04-01T00:00:00Z, in 29 days",
  );
  assert.match(at(63.1, false)!, /^It is overdue for renewal since 2026-03-05T/);
  assert.match(at(89, false)!, /in 24 hours$/);
  assert.match(at(89.99, false)!, /in 14 min$/);
  assert.match(
    at(91, false)!,
    /^It expired on 2026-04-01T00:00:00Z: the ingress refuses new connections until it is renewed$/,
  );
});
