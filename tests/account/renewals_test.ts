import assert from "node:assert/strict";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { Renewals } from "../../src/account/renewals.ts";
import type { Account } from "../../src/account/account.ts";
import { ApiError } from "../../src/model/errors.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { NO_MEMORY } from "./pending_requests.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);
const LIVES = [["24 h", DAY], ["1 h", HOUR], ["10 min", 10 * MINUTE]] as const;
const DOWN = new ApiError("The API is down", { status: 0, code: "unreachable" });

interface Options {
  readonly lifeMs: number;
  /** The age of the certificate when the daemon starts. */
  readonly ageMs?: number;
  /** The error of the API at a time; undefined if it succeeds. */
  readonly fails?: (nowMs: number, notAfter: number) => Error | undefined;
  readonly random?: () => number;
}

/** Renewals that run in faked time with an account whose certificates live for `lifeMs`. */
function start({ lifeMs, ageMs = 0, fails = () => undefined, random = Math.random }: Options) {
  const clock = fakeClock(START);
  const tries: number[] = [];
  const renewed: { at: number; notAfter: number }[] = [];
  let serial = 0;
  const issue = () => {
    const notBefore = Math.floor(Date.now() / 1000) * 1000;
    return { serial: `${++serial}`, notBefore, notAfter: notBefore + lifeMs };
  };
  const account = {
    operatorId: "k8sop_1",
    certificate: issue(),
    renew() {
      const { notAfter } = account.certificate;
      tries.push(Date.now());
      const error = fails(Date.now(), notAfter);
      if (error !== undefined) return Promise.reject(error);
      renewed.push({ at: Date.now(), notAfter });
      account.certificate = issue();
      return Promise.resolve({ renewed: true, certificate: account.certificate, dueAt: 0 });
    },
  };
  clock.setDate(START + ageMs);
  const stop = new AbortController();
  const renewals = new Renewals({
    account: account as unknown as Account,
    intervalMs: () => HOUR,
    memory: NO_MEMORY,
    random,
  });
  const ended = renewals.run(stop.signal);
  return {
    clock,
    account,
    renewals,
    tries,
    renewed,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
      assert.equal(clock.timers(), 0);
      clock[Symbol.dispose]();
    },
  };
}

for (const [name, lifeMs] of LIVES) {
  Deno.test(`Renewals of a life of ${name} begin in the first tenth of the window (R37)`, async () => {
    const random = new SeededRandom(lifeMs);
    for (let run = 0; run < 100; run++) {
      await using test = start({ lifeMs, ageMs: lifeMs * 0.65, random: () => random.next() });
      await test.clock.pass(lifeMs * 0.06);
      assert.equal(test.renewed.length, 1);
      const [{ at, notAfter }] = test.renewed as [{ at: number; notAfter: number }];
      const leftMs = notAfter - at;
      assert.ok(leftMs <= lifeMs / 3 && leftMs >= lifeMs / 3 * 0.9, `${leftMs} of ${lifeMs}`);
    }
  });

  Deno.test(`Renewals of a life of ${name} succeed if the API is down for half the window (R37)`, async () => {
    const random = new SeededRandom(lifeMs);
    for (let run = 0; run < 100; run++) {
      await using test = start({
        lifeMs,
        ageMs: lifeMs * 0.65,
        fails: (now, notAfter) => notAfter - now > lifeMs / 6 ? DOWN : undefined,
        random: () => random.next(),
      });
      await test.clock.pass(lifeMs * 0.35);
      assert.equal(test.renewed.length, 1);
      assert.ok(test.renewed[0]!.at < test.renewed[0]!.notAfter, "before the end");
    }
  });
}

Deno.test("Renewals begin at the random moment of the first tenth of the window", async () => {
  for (const lifeMs of [90 * DAY, 7 * DAY]) {
    for (const drawn of [0, 0.5, 0.999999]) {
      await using test = start({ lifeMs, ageMs: lifeMs * 0.65, random: () => drawn });
      await test.clock.pass(lifeMs * 0.06);
      assert.equal(test.renewed.length, 1);
      const intoMs = lifeMs / 3 - (test.renewed[0]!.notAfter - test.renewed[0]!.at);
      assert.ok(Math.abs(intoMs - lifeMs / 30 * drawn) < 2, `${intoMs}`);
    }
  }
});

Deno.test("Renewals that fail back off up to an hour, and are tried often near the end", async () => {
  const lifeMs = 3 * DAY;
  await using test = start({ lifeMs, fails: () => DOWN });
  await test.clock.pass(lifeMs - 1);
  const { tries, account, renewals } = test;
  const gaps = tries.slice(1).map((time, index) => time - tries[index]!);
  assert.ok(gaps.every((gap) => gap >= 4_999 && gap <= HOUR + 1), `${Math.max(...gaps)}`);
  assert.ok(gaps[0]! <= MINUTE);
  const last = tries.filter((time) => account.certificate.notAfter - time < 0.05 * lifeMs);
  assert.ok(last.length > 20, `${last.length} in the last twentieth`);
  assert.ok(tries.length < 200, `${tries.length}`);
  assert.equal(renewals.state.lastError, "The API is down");
});

for (
  const [status, retryAfterMin, leastMin] of [
    [429, 15, 15],
    [503, 15, 15],
    [401, undefined, 5],
    [401, 1, 5],
    [401, 15, 15],
    [403, 15, 15],
  ] as const
) {
  const demand = retryAfterMin === undefined ? "no Retry-After" : `Retry-After: ${retryAfterMin * 60}`;
  Deno.test(`Renewals wait ${leastMin} min or more after ${status} with ${demand}`, async () => {
    const retryAfterMs = retryAfterMin && retryAfterMin * MINUTE;
    const error = new ApiError("It failed", { status, code: "", retryAfterMs });
    await using test = start({ lifeMs: DAY, fails: () => error });
    await test.clock.pass(DAY * 0.75);
    const { tries } = test;
    const gaps = tries.slice(1).map((time, index) => time - tries[index]!);
    assert.ok(gaps.length > 1 && Math.min(...gaps) >= leastMin * MINUTE, `${gaps}`);
    assert.ok(gaps[0]! <= (leastMin + 1) * MINUTE, `${gaps}`);
  });
}

Deno.test("Renewals back off if certificates are due as soon as they are issued (F19)", async () => {
  await using test = start({ lifeMs: 1000 });
  await test.clock.pass(10 * MINUTE);
  assert.ok(test.tries.length <= 11, `${test.tries.length} in 10 minutes`);
});

Deno.test("Renewals notice a jump of the clock within seconds, and ask for nothing before it (F20)", async () => {
  await using test = start({ lifeMs: 90 * DAY });
  await test.clock.pass(HOUR);
  assert.equal(test.renewed.length, 0);
  test.clock.setDate(START + 80 * DAY);
  await test.clock.pass(5_001);
  assert.equal(test.renewed.length, 1);
});

Deno.test("Renewals ask for nothing before there is a certificate", async () => {
  await using test = start({ lifeMs: HOUR });
  Object.assign(test.account, { certificate: undefined, operatorId: undefined });
  await test.clock.pass(2 * HOUR);
  assert.deepEqual(test.renewals.state, { nextAt: undefined, lastAt: undefined, lastError: undefined });
  assert.deepEqual(test.tries, []);
});

// Status showed it for 60 days.
Deno.test("Renewals forget an error when a registration has brought another certificate", async () => {
  await using test = start({ lifeMs: DAY, fails: () => DOWN });
  await test.clock.pass(20 * HOUR);
  assert.equal(test.renewals.state.lastError, "The API is down");
  test.account.certificate = { serial: "other", notBefore: Date.now(), notAfter: Date.now() + 90 * DAY };
  const { lastError, nextAt } = test.renewals.state;
  assert.equal(lastError, undefined);
  assert.ok(nextAt! > Date.now() + 59 * DAY, new Date(nextAt!).toISOString());
});

Deno.test("Renewals do not keep the error of a command weeks before the certificate is due", async () => {
  await using test = start({ lifeMs: 90 * DAY, fails: () => DOWN });
  const { renewals } = test;
  await assert.rejects(renewals.renew({ force: true, signal: new AbortController().signal }), /is down/);
  const { lastError, nextAt } = renewals.state;
  assert.equal(lastError, undefined);
  assert.ok(nextAt! >= START + 60 * DAY);
});
