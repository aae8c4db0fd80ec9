import assert from "node:assert/strict";
import { decideRenewal, retryDelay } from "../../src/identity/renewal.ts";

const DAY = 24 * 3600_000;
const START = Date.UTC(2025, 9, 24, 21, 16, 12);
const NINETY_DAYS = { notBefore: START, notAfter: START + 90 * DAY };

Deno.test("decideRenewal() keeps a 90-day certificate for 60 days", () => {
  const dueAt = START + 60 * DAY;
  assert.deepEqual(decideRenewal(NINETY_DAYS, START), { action: "keep", dueAt });
  assert.deepEqual(decideRenewal(NINETY_DAYS, dueAt - 1), { action: "keep", dueAt });
  assert.deepEqual(decideRenewal(NINETY_DAYS, dueAt), { action: "renew", dueAt });
  assert.deepEqual(decideRenewal(NINETY_DAYS, dueAt + 1), { action: "renew", dueAt });
});

Deno.test("decideRenewal() renews an expired certificate, also with a life of a second or less (F19)", () => {
  assert.equal(decideRenewal(NINETY_DAYS, START + 91 * DAY).action, "renew");
  assert.equal(decideRenewal({ notBefore: START, notAfter: START + 1000 }, START + 667).action, "renew");
  assert.deepEqual(decideRenewal({ notBefore: START, notAfter: START - DAY }, START), {
    action: "renew",
    dueAt: START - DAY,
  });
});

Deno.test("decideRenewal() renews a certificate that begins more than a day ahead (F19)", () => {
  assert.equal(decideRenewal(NINETY_DAYS, START - DAY).action, "keep");
  assert.deepEqual(decideRenewal(NINETY_DAYS, START - DAY - 1), { action: "renew", dueAt: START - DAY - 1 });
});

// It went up to an hour.
Deno.test("retryDelay() is at most a minute in an outage after the end, or as long as the API demands", () => {
  const expired = {
    info: NINETY_DAYS,
    nowMs: START + 91 * DAY,
    failures: 20,
    maxMs: 3600_000,
    random: 0.999,
    isOutage: true,
  };
  assert.equal(Math.ceil(retryDelay({ ...expired, retryAfterMs: 0 }) / 1000), 60);
  assert.equal(retryDelay({ ...expired, retryAfterMs: 300_000 }), 300_000);
  assert.equal(Math.round(retryDelay({ ...expired, isOutage: false, retryAfterMs: 0 }) / 60_000), 60);
  const hourLeft = { ...expired, nowMs: START + 90 * DAY - 3600_000 };
  assert.equal(Math.ceil(retryDelay({ ...hourLeft, retryAfterMs: 0 }) / 1000), 360);
});
