import assert from "node:assert/strict";
import { type ClockWorld, withWrongClock } from "./wrong_clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** In two hours: one at once, then after 1, 2, 4, 8, 16, 32 and 60 minutes or a little less. */
const MOST_IN_TWO_HOURS = 12;

for (
  const [name, leadMs] of [
    ["10 years ahead", 10 * YEAR],
    ["10 years back", -10 * YEAR],
    ["an hour back", -HOUR],
    ["into the renewal window", 80 * DAY],
  ] as const
) {
  // After years in the past it was a busy loop, after months ahead a renewal each minute.
  Deno.test(`Renewals decide again when the clock jumps ${name} and when it is corrected (F20)`, () =>
    withWrongClock(90 * DAY, async (world) => {
      const { account, renewals, setClock, pass, count } = world;
      const { operatorId } = account;
      await pass(10 * MINUTE);
      setClock(leadMs);
      await pass(2 * HOUR);
      const wrong = count("operators.update");
      const isDue = leadMs !== -HOUR;
      assert.ok(
        isDue ? wrong >= 3 && wrong <= MOST_IN_TWO_HOURS : wrong === 0,
        `${wrong} updates in two hours`,
      );
      setClock(0);
      await pass(2 * MINUTE);
      const calm = count("operators.update");
      await pass(HOUR);
      assert.equal(count("operators.update"), calm, "nothing is due by the right clock");
      const { certificate } = account;
      assert.ok(certificate!.notAfter > Date.now() + 89 * DAY, "it is valid by the right clock");
      const opensAt = certificate!.notAfter - 30 * DAY;
      const { nextAt } = renewals.state;
      assert.ok(nextAt! >= opensAt && nextAt! <= opensAt + 3 * DAY, new Date(nextAt!).toISOString());
      assert.equal(account.operatorId, operatorId);
      assert.equal(count("operators.create"), 1);
    }));
}

Deno.test("Renewals of a life of a second begin at once and back off (F19)", () =>
  withWrongClock(1000, async ({ account, pass, count }) => {
    const { serial } = account.certificate!;
    await pass(10_000);
    assert.notEqual(account.certificate!.serial, serial);
    await pass(2 * HOUR);
    const updates = count("operators.update");
    assert.ok(updates >= 5 && updates <= MOST_IN_TWO_HOURS, `${updates} updates`);
  }));

for (
  const [name, issue, reason] of [
    [
      "expired",
      (world: ClockWorld) => world.cloud.setCertificateLifetime(-1000),
      /its end .* is not after its start/,
    ],
    [
      "for another key",
      (world: ClockWorld) => world.cloud.faults.set({ kind: "wrong_key_certificate" }),
      /key/,
    ],
    ["empty", (world: ClockWorld) => world.cloud.faults.set({ kind: "empty_certificate" }), /no certificate/],
  ] as const
) {
  Deno.test(`Renewals that get a certificate that is ${name} back off and keep the old one (F19)`, () =>
    withWrongClock(DAY, async (world) => {
      const { account, renewals, cloud, setClock, pass, count } = world;
      const { serial } = account.certificate!;
      issue(world);
      await pass(DAY + MINUTE);
      const before = count("operators.update");
      await pass(2 * HOUR);
      const updates = count("operators.update") - before;
      assert.ok(updates >= 2 && updates <= MOST_IN_TWO_HOURS, `${updates} updates`);
      assert.equal(account.certificate!.serial, serial);
      assert.match(renewals.state.lastError!, reason);
      cloud.faults.clear();
      cloud.setCertificateLifetime(90 * DAY);
      setClock(0);
      await pass(2 * HOUR);
      assert.equal(count("operators.update"), before + updates + 1);
      assert.ok(account.certificate!.notAfter > Date.now() + 80 * DAY);
    }));
}

// It was each 5 s near the end.
Deno.test("Renewals with a refused key are tried every 5 minutes, and at once with another key (F36)", () =>
  withWrongClock(10 * MINUTE, async ({ cloud, account, renewals, pass }) => {
    await pass(MINUTE);
    cloud.faults.set({ kind: "error", status: 403, code: "ERR_NGROK_203" });
    const { serial } = account.certificate!;
    await pass(30 * MINUTE);
    const times = cloud.requests().filter(({ status }) => status === 403).map(({ at }) => at);
    assert.ok(times.every((at, i) => i === 0 || at - times[i - 1]! >= 5 * MINUTE), `${times}`);
    assert.ok(times.length >= 4 && times.length <= 6, `${times.length}`);
    assert.equal(account.certificate!.serial, serial);
    cloud.faults.clear();
    renewals.keyChanged();
    await pass(10_000);
    assert.notEqual(account.certificate!.serial, serial);
  }));
