import assert from "node:assert/strict";
import type { ListedEndpoints } from "../../src/model/discovery.ts";
import { ApiError } from "../../src/model/errors.ts";
import { sleep } from "../../src/system/clock.ts";
import { type Answer, found, NEVER, TestLoop } from "../fakes/sync_loop.ts";

const FOUND = found("http://a.t");
const INTERVAL_MS = 30_000;

/** A request in a dead connection. */
function hangs(signal: AbortSignal): Promise<ListedEndpoints> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
}

function fails(status: number, retryAfterMs?: number): ApiError {
  return new ApiError(`${status}`, { status, code: "", retryAfterMs });
}

Deno.test("SyncLoop.wake() polls at once, once, and the interval begins anew", () =>
  new TestLoop([FOUND]).run(async ({ clock, loop, polls }) => {
    await clock.pass(7_000);
    loop.wake();
    loop.wake();
    await clock.pass(INTERVAL_MS);
    assert.deepEqual(polls, [0, 7_000, 37_000]);
  }));

Deno.test("SyncLoop.wake() repeats a poll that hangs in a dead connection; that is no failure", () =>
  new TestLoop([hangs, FOUND]).run(async ({ clock, loop, polls }) => {
    await clock.pass(5_000);
    const asked = loop.poll(NEVER);
    loop.wake();
    await clock.pass(0);
    await asked;
    assert.equal(loop.status.state, "ok", "a caller that waits for the poll has its answer");
    assert.equal(loop.status.error, undefined);
    await clock.pass(INTERVAL_MS);
    assert.deepEqual(polls, [0, 5_000, 35_000], "the repeated poll answers the wake");
  }));

Deno.test("SyncLoop.wake() every ten seconds interrupts a poll that takes a minute only once", () => {
  const slow: Answer = async (signal) => {
    await sleep(60_000, { signal });
    return FOUND;
  };
  return new TestLoop([slow]).run(async ({ clock, loop, polls }) => {
    for (let wake = 0; wake < 7; wake++) {
      await clock.pass(10_000);
      if (wake < 6) loop.wake();
    }
    assert.equal(loop.status.state, "ok");
    assert.deepEqual(polls, [0, 10_000, 70_000], "one more poll answers the wakes meanwhile");
  });
});

Deno.test("SyncLoop.wake() repeats a poll no sooner than the request budget allows", () => {
  let readyAt = 0;
  const test = new TestLoop([hangs, FOUND], { readyInMs: () => readyAt - performance.now() });
  return test.run(async ({ clock, loop, polls }) => {
    readyAt = 20_000;
    loop.wake();
    await clock.pass(19_999);
    assert.deepEqual(polls, [0]);
    await clock.pass(1);
    assert.deepEqual(polls, [0, 20_000]);
  });
});

for (const status of [429, 503]) {
  Deno.test(`SyncLoop.wake() does not cut a Retry-After of ${status} short (F37)`, () =>
    new TestLoop([fails(status, 50_000), FOUND]).run(async ({ clock, loop, polls }) => {
      for (let second = 0; second < 49; second++) {
        await clock.pass(1_000);
        loop.wake();
      }
      assert.deepEqual(polls, [0]);
      await clock.pass(1_000);
      assert.deepEqual(polls, [0, 50_000], "as soon as it is over, not at the end of the back-off");
    }));
}

Deno.test("SyncLoop.wake() cuts a back-off short (F37)", () =>
  new TestLoop([fails(503), FOUND]).run(async ({ clock, loop, polls }) => {
    await clock.pass(1_000);
    loop.wake();
    await clock.pass(0);
    assert.deepEqual(polls, [0, 1_000]);
  }));

Deno.test("SyncLoop.wake() does not cut the five minutes of a refused key short; pollNow() does (F36)", () =>
  new TestLoop([fails(401), fails(403), FOUND]).run(async ({ clock, loop, polls }) => {
    await clock.pass(299_000);
    loop.wake();
    await clock.pass(999);
    assert.deepEqual(polls, [0]);
    await clock.pass(1);
    assert.deepEqual(polls, [0, 300_000]);
    await clock.pass(10_000);
    loop.wake();
    await clock.pass(0);
    loop.pollNow();
    await clock.pass(0);
    assert.deepEqual(polls, [0, 300_000, 310_000]);
    assert.equal(loop.status.state, "ok");
  }));

Deno.test("SyncLoop.wake() during a poll keeps an answer with a Retry-After", () => {
  const refusal = Promise.withResolvers<ListedEndpoints>();
  return new TestLoop([() => refusal.promise, FOUND]).run(async ({ clock, loop, polls }) => {
    loop.wake();
    refusal.reject(fails(429, 40_000));
    await clock.pass(39_999);
    assert.equal(loop.status.state, "rate_limited");
    loop.wake();
    await clock.pass(1);
    assert.deepEqual(polls, [0, 40_000]);
  });
});

Deno.test("SyncLoop that is stopped after a wake ends at once without repeating the poll", async () => {
  const test = new TestLoop([hangs]);
  await test.run(({ loop }) => Promise.resolve(loop.wake()));
  assert.deepEqual([test.polls, test.world.saves], [[0], []]);
});

// After a new key the loop once waited for the five minutes of the old one.
Deno.test("SyncLoop returns to its interval after a poll on request that went well (F36)", () =>
  new TestLoop([fails(403), FOUND]).run(async ({ clock, loop, polls }) => {
    await clock.pass(10_000);
    assert.equal(await loop.poll(NEVER), true);
    await clock.pass(2 * INTERVAL_MS);
    assert.deepEqual(polls, [0, 10_000, 40_000, 70_000]);
  }));

Deno.test("SyncLoop waits five minutes after a poll on request has found the key refused", () =>
  new TestLoop([FOUND, fails(403)]).run(async ({ clock, loop, polls }) => {
    await clock.pass(10_000);
    await loop.poll(NEVER);
    await clock.pass(4 * 60_000);
    assert.deepEqual(polls, [0, 10_000]);
  }));

Deno.test("SyncLoop.poll() returns false without a poll while the request budget does not allow one", () => {
  let waitMs = 0;
  return new TestLoop([FOUND], { readyInMs: () => waitMs }).run(async ({ clock, loop, polls }) => {
    waitMs = 5_000;
    assert.equal(await loop.poll(NEVER), false);
    assert.deepEqual(polls, [0]);
    waitMs = 0;
    await clock.pass(5_000);
    assert.deepEqual(polls.length, 2);
  });
});

// Each poll once left half a kilobyte: a reaction on a promise that never settles.
Deno.test("SyncLoop keeps nothing of a wait that is over", async () => {
  const { then } = Promise.prototype;
  const reactions = new Map<Promise<unknown>, number>();
  Promise.prototype.then = function (this: Promise<unknown>, ...args: Parameters<typeof then>) {
    reactions.set(this, (reactions.get(this) ?? 0) + 1);
    return then.apply(this, args);
  } as typeof then;
  try {
    await new TestLoop([FOUND]).run(async ({ clock, polls }) => {
      await clock.pass(200 * INTERVAL_MS);
      assert.ok(polls.length > 190);
    });
  } finally {
    Promise.prototype.then = then;
  }
  const most = Math.max(...reactions.values());
  assert.ok(most < 50, `${most} reactions on one promise`);
});
