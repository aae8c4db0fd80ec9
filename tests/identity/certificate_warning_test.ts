import assert from "node:assert/strict";
import { certificateWarning } from "../../src/identity/certificate_warning.ts";

const DAY = 24 * 3_600_000;
const START = Date.UTC(2026, 0, 1);

Deno.test("certificateWarning() warns of a certificate that is overdue or has expired", () => {
  const at = (day: number, hasFailed: boolean) =>
    certificateWarning({ notBefore: START, notAfter: START + 90 * DAY }, {
      nowMs: START + day * DAY,
      hasFailed,
    });
  assert.equal(at(59, true), undefined, "a failed command weeks before it is due changes nothing");
  assert.equal(at(61, false), undefined, "the renewal may begin later in the first tenth of the window");
  assert.equal(
    at(61, true),
    "Renewal overdue since 2026-03-02T00:00:00Z; the certificate expires on 2026-04-01T00:00:00Z, in 29 days",
  );
  assert.match(at(63.1, false)!, /^Renewal overdue since 2026-03-05T/);
  assert.match(at(89, false)!, /in 24 hours$/);
  assert.match(at(89.99, false)!, /in 14 min$/);
  assert.match(
    at(91, false)!,
    /^It expired on 2026-04-01T00:00:00Z: the ingress refuses new connections until it is renewed$/,
  );
});
