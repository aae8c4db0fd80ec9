import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { Renewals } from "../../src/account/renewals.ts";
import { ApiError } from "../../src/model/errors.ts";
import type { Account } from "../../src/account/account.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);

interface Cloud {
  readonly lifeMs: number;
  /** Why the API fails now; undefined if it does not. */
  readonly fails?: (nowMs: number, notAfter: number) => Error | undefined;
}

/** An account whose certificates live for `lifeMs`; renewals and tries are kept by their times. */
function fakeAccount({ lifeMs, fails = () => undefined }: Cloud) {
  const tries: number[] = [];
  const renewed: { at: number; notAfter: number }[] = [];
  let number = 0;
  const issue = () => {
    const notBefore = Math.floor(Date.now() / 1000) * 1000;
    return { serial: `${++number}`, notBefore, notAfter: notBefore + lifeMs };
  };
  const account = {
    operatorId: "k8sop_1",
    certificate: issue(),
    renew() {
      const now = Date.now();
      const old = account.certificate;
      tries.push(now);
      const error = fails(now, old.notAfter);
      if (error !== undefined) return Promise.reject(error);
      account.certificate = issue();
      renewed.push({ at: now, notAfter: old.notAfter });
      return Promise.resolve({ renewed: true, certificate: account.certificate, dueAt: 0 });
    },
  };
  return { account: account as unknown as Account, tries, renewed, current: () => account.certificate };
}

interface RunOptions extends Cloud {
  /** How old the certificate is when the daemon starts. */
  readonly ageMs?: number;
  readonly forMs: number;
  readonly intervalMs?: number;
  readonly random?: () => number;
}

async function run(options: RunOptions) {
  const { ageMs = 0, forMs, intervalMs = HOUR, random = Math.random, ...cloud } = options;
  const clock = FakeTimers.install({ now: START });
  try {
    const fake = fakeAccount(cloud);
    clock.setSystemTime(START + ageMs);
    const stop = new AbortController();
    const renewals = new Renewals({ account: fake.account, intervalMs: () => intervalMs, random });
    const ended = renewals.run(stop.signal);
    await clock.tickAsync(forMs);
    const state = renewals.state;
    stop.abort();
    await ended;
    assert.equal(clock.countTimers(), 0);
    return { ...fake, state };
  } finally {
    clock.uninstall();
  }
}

function away(): ApiError {
  return new ApiError("The API is away", { status: 0, code: "unreachable" });
}

for (const [name, lifeMs] of [["24 h", DAY], ["1 h", HOUR], ["10 min", 10 * MINUTE]] as const) {
  Deno.test(`Renewals begin in the first tenth of the window of a life of ${name}, in 100 of 100 runs (R37)`, async () => {
    for (let number = 0; number < 100; number++) {
      const { renewed } = await run({ lifeMs, ageMs: lifeMs * 0.65, forMs: lifeMs * 0.06 });
      assert.equal(renewed.length, 1);
      const left = renewed[0]!.notAfter - renewed[0]!.at;
      assert.ok(left <= lifeMs / 3 && left >= lifeMs / 3 * 0.9, `${left} of ${lifeMs}`);
    }
  });

  Deno.test(`Renewals come in time though the API is away for half the window of a life of ${name} (R37)`, async () => {
    for (let number = 0; number < 100; number++) {
      const { renewed } = await run({
        lifeMs,
        ageMs: lifeMs * 0.65,
        forMs: lifeMs * 0.35,
        fails: (now, notAfter) => notAfter - now > lifeMs / 6 ? away() : undefined,
      });
      assert.equal(renewed.length, 1);
      assert.ok(renewed[0]!.at < renewed[0]!.notAfter, "before the end");
    }
  });
}

for (const [name, lifeMs] of [["90 d", 90 * DAY], ["7 d", 7 * DAY]] as const) {
  Deno.test(`Renewals of a life of ${name} begin in the first tenth of the window, wherever they are drawn`, async () => {
    for (const drawn of [0, 0.5, 0.999999]) {
      const { renewed } = await run({
        lifeMs,
        ageMs: lifeMs * 0.65,
        forMs: lifeMs * 0.06,
        random: () => drawn,
      });
      assert.equal(renewed.length, 1);
      const into = lifeMs / 3 - (renewed[0]!.notAfter - renewed[0]!.at);
      assert.ok(Math.abs(into - lifeMs / 30 * drawn) < 2, `${into}`);
    }
  });
}

Deno.test("Renewals that fail back off, at most an interval apart, and make haste near the end", async () => {
  const { tries, current, state } = await run({ lifeMs: 3 * DAY, forMs: 3 * DAY - 1, fails: away });
  const gaps = tries.slice(1).map((time, index) => time - tries[index]!);
  assert.ok(gaps.every((gap) => gap >= 4_999 && gap <= HOUR + 1), `${Math.max(...gaps)}`);
  assert.ok(gaps[0]! <= MINUTE);
  const last = tries.filter((time) => current().notAfter - time < 0.05 * 3 * DAY);
  assert.ok(last.length > 20, `${last.length} in the last twentieth`);
  assert.ok(tries.length < 200, `${tries.length}`);
  assert.equal(state.lastError, "The API is away");
});

Deno.test("Renewals wait as long as the cloud asks them to", async () => {
  const error = new ApiError("Too many", { status: 429, code: "ERR_NGROK_226", retryAfterMs: 15 * MINUTE });
  const { tries } = await run({ lifeMs: DAY, forMs: DAY * 0.75, fails: () => error });
  assert.ok(tries.slice(1).every((time, index) => time - tries[index]! >= 15 * MINUTE));
});

Deno.test("Renewals do not loop over certificates that are due as soon as they come (F19)", async () => {
  const { tries } = await run({ lifeMs: 1000, forMs: 10 * MINUTE });
  assert.ok(tries.length <= 11, `${tries.length} in 10 minutes`);
});

Deno.test("Renewals notice within seconds that the clock has jumped ahead, and ask for nothing before that (F20)", async () => {
  const clock = FakeTimers.install({ now: START });
  try {
    const { account, renewed } = fakeAccount({ lifeMs: 90 * DAY });
    const stop = new AbortController();
    const ended = new Renewals({ account, intervalMs: () => HOUR }).run(stop.signal);
    await clock.tickAsync(HOUR);
    assert.equal(renewed.length, 0);
    clock.setSystemTime(START + 80 * DAY);
    await clock.tickAsync(5_001);
    assert.equal(renewed.length, 1);
    stop.abort();
    await ended;
  } finally {
    clock.uninstall();
  }
});

Deno.test("Renewals ask for nothing before there is a certificate", async () => {
  const clock = FakeTimers.install({ now: START });
  try {
    const account = {
      certificate: undefined,
      operatorId: undefined,
      renew: () => assert.fail("there is nothing to renew"),
    };
    const stop = new AbortController();
    const renewals = new Renewals({ account: account as unknown as Account, intervalMs: () => 1000 });
    const ended = renewals.run(stop.signal);
    await clock.tickAsync(60_000);
    assert.deepEqual(renewals.state, { nextAt: undefined, lastAt: undefined, lastError: undefined });
    stop.abort();
    await ended;
  } finally {
    clock.uninstall();
  }
});

Deno.test("Renewals forget why one failed when a registration has brought another certificate (status told it for 60 days)", async () => {
  const clock = FakeTimers.install({ now: START });
  try {
    const fake = fakeAccount({ lifeMs: DAY, fails: away });
    const renewals = new Renewals({ account: fake.account, intervalMs: () => HOUR });
    const stop = new AbortController();
    const ended = renewals.run(stop.signal);
    await clock.tickAsync(20 * HOUR);
    assert.equal(renewals.state.lastError, "The API is away");
    const { account } = fake as unknown as { account: { certificate: unknown } };
    account.certificate = { serial: "other", notBefore: Date.now(), notAfter: Date.now() + 90 * DAY };
    const { lastError, nextAt } = renewals.state;
    assert.equal(lastError, undefined);
    assert.ok(nextAt! > Date.now() + 59 * DAY, new Date(nextAt!).toISOString());
    stop.abort();
    await ended;
  } finally {
    clock.uninstall();
  }
});

Deno.test("Renewals do not remember that one failed which was asked for weeks before its time", async () => {
  const clock = FakeTimers.install({ now: START });
  try {
    const { account } = fakeAccount({ lifeMs: 90 * DAY, fails: away });
    const renewals = new Renewals({ account, intervalMs: () => HOUR });
    await assert.rejects(renewals.renew({ force: true, signal: new AbortController().signal }), /is away/);
    const { lastError, nextAt } = renewals.state;
    assert.equal(lastError, undefined);
    assert.ok(nextAt! >= START + 60 * DAY);
  } finally {
    clock.uninstall();
  }
});
