import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { ApiError } from "../../src/model/errors.ts";
import type { SavedState } from "../../src/sync/effects.ts";
import type { Discovery } from "../../src/model/discovery.ts";
import { SyncLoop, type SyncLoopOptions } from "../../src/sync/loop.ts";
import { sleep } from "../../src/system/clock.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";

const EMPTY: SavedState = { leases: new Map(), ports: new Map(), endpoints: undefined };
const INTERVAL_MS = 30_000;

interface Started {
  readonly clock: FakeClock;
  readonly loop: SyncLoop;
  /** When each poll began, in milliseconds since the first. */
  readonly polls: number[];
}

type Answer = (signal: AbortSignal) => Promise<Discovery>;

/** Runs a loop whose polls get these answers in turn, and then the last one again. */
async function withLoop(
  answers: Answer[],
  options: { test: (started: Started) => Promise<void> } & Partial<SyncLoopOptions>,
): Promise<void> {
  const { test, ...fields } = options;
  using clock = fakeClock();
  const begun = performance.now();
  const polls: number[] = [];
  const loop = new SyncLoop({
    poll(signal) {
      polls.push(Math.round(performance.now() - begun));
      return (answers.length > 1 ? answers.shift()! : answers[0]!)(signal);
    },
    effects: new FakeWorld(),
    saved: EMPTY,
    settings: () => ({
      subnet: parseCidr("127.107.0.0/16")!,
      listenInterface: "virtual",
      overrides: {},
      resolveInterface: () => undefined,
      startPort: 9080,
    }),
    intervalMs: () => INTERVAL_MS,
    random: () => 0.5,
    ...fields,
  });
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  await clock.pass(0);
  await test({ clock, loop, polls });
  stop.abort();
  await running;
}

function fine(): Promise<Discovery> {
  return Promise.resolve({ endpoints: endpoints("http://a.t"), refused: [], pages: 1 });
}

/** A request in a connection that is dead. */
function hangs(signal: AbortSignal): Promise<Discovery> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
}

function fails(status: number, retryAfterMs?: number): Answer {
  return () => Promise.reject(new ApiError(`${status}`, { status, code: "", retryAfterMs }));
}

Deno.test("SyncLoop.wake() polls at once, once, and the interval begins anew", () =>
  withLoop([fine], {
    async test({ clock, loop, polls }) {
      await clock.pass(7_000);
      loop.wake();
      loop.wake();
      await clock.pass(INTERVAL_MS);
      assert.deepEqual(polls, [0, 7_000, 37_000]);
    },
  }));

Deno.test("SyncLoop.wake() breaks off a poll that hangs in a dead connection and makes it anew; that is no failure", () =>
  withLoop([hangs, fine], {
    async test({ clock, loop, polls }) {
      await clock.pass(5_000);
      const { signal } = new AbortController();
      const asked = loop.poll(signal);
      loop.wake();
      await clock.pass(0);
      await asked;
      assert.equal(loop.status.state, "ok", "who waits for the poll has its answer");
      assert.equal(loop.status.error, undefined);
      await clock.pass(INTERVAL_MS);
      assert.deepEqual(polls, [0, 5_000, 35_000], "the wake is answered by the poll that was made anew");
    },
  }));

Deno.test("SyncLoop.wake() every ten seconds does not keep a poll that takes long from its end", () => {
  const slow: Answer = async (signal) => {
    await sleep(60_000, { signal });
    return await fine();
  };
  return withLoop([slow], {
    async test({ clock, loop, polls }) {
      for (let wake = 0; wake < 7; wake++) {
        await clock.pass(10_000);
        if (wake < 6) loop.wake();
      }
      assert.equal(loop.status.state, "ok");
      assert.deepEqual(polls, [0, 10_000, 70_000], "and the wakes meanwhile are answered by one poll more");
    },
  });
});

Deno.test("SyncLoop.wake() makes a poll anew no sooner than the rate limit allows", () => {
  let readyAt = 0;
  return withLoop([hangs, fine], {
    readyInMs: () => readyAt - performance.now(),
    async test({ clock, loop, polls }) {
      readyAt = performance.now() + 20_000;
      loop.wake();
      await clock.pass(19_999);
      assert.deepEqual(polls, [0]);
      await clock.pass(1);
      assert.deepEqual(polls, [0, 20_000]);
    },
  });
});

Deno.test("SyncLoop.wake() cuts a back-off short, but not a Retry-After (F37)", async () => {
  for (const status of [429, 503]) {
    await withLoop([fails(status, 50_000), fine], {
      async test({ clock, loop, polls }) {
        for (let second = 0; second < 49; second++) {
          await clock.pass(1_000);
          loop.wake();
        }
        assert.deepEqual(polls, [0], `${status}`);
        await clock.pass(1_000);
        assert.deepEqual(polls, [0, 50_000], "as soon as it is over, not at the end of the back-off");
      },
    });
  }
  await withLoop([fails(503), fine], {
    async test({ clock, loop, polls }) {
      await clock.pass(1_000);
      loop.wake();
      await clock.pass(0);
      assert.deepEqual(polls, [0, 1_000]);
    },
  });
});

Deno.test("SyncLoop.wake() does not cut the five minutes of a refused key short, wherever the clock is set; a new key does (F36)", () =>
  withLoop([fails(401), fails(403), fine], {
    async test({ clock, loop, polls }) {
      await clock.pass(299_000);
      loop.wake();
      await clock.pass(999);
      assert.deepEqual(polls, [0]);
      await clock.pass(1);
      assert.deepEqual(polls, [0, 300_000]);
      await clock.pass(10_000);
      loop.wake();
      await clock.pass(0);
      loop.nudge();
      await clock.pass(0);
      assert.deepEqual(polls, [0, 300_000, 310_000]);
      assert.equal(loop.status.state, "ok");
    },
  }));

Deno.test("SyncLoop.wake() during a poll keeps an answer that demands to be left alone", () => {
  const refuse = Promise.withResolvers<void>();
  const answer: Answer = async () => {
    await refuse.promise;
    return await fails(429, 40_000)(AbortSignal.abort());
  };
  return withLoop([answer, fine], {
    async test({ clock, loop, polls }) {
      loop.wake();
      refuse.resolve();
      await clock.pass(39_999);
      assert.equal(loop.status.state, "rate_limited");
      loop.wake();
      await clock.pass(1);
      assert.deepEqual(polls, [0, 40_000]);
    },
  });
});

Deno.test("SyncLoop that is stopped ends at once though it was woken, and makes no poll anew", async () => {
  using clock = fakeClock();
  let polls = 0;
  const loop = new SyncLoop({
    poll: (signal) => {
      polls++;
      return hangs(signal);
    },
    effects: new FakeWorld(),
    saved: EMPTY,
    settings: () => {
      throw new Error("no round is made");
    },
    intervalMs: () => INTERVAL_MS,
  });
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  await clock.pass(0);
  loop.wake();
  stop.abort();
  await running;
  assert.equal(polls, 1);
});

Deno.test("SyncLoop goes on at its interval after a poll that somebody asked for and that went well (a new key left it waiting for five minutes) (F36)", () =>
  withLoop([fails(403), fine], {
    test: async ({ clock, loop, polls }) => {
      await clock.pass(10_000);
      assert.equal(await loop.poll(new AbortController().signal), true);
      await clock.pass(2 * INTERVAL_MS);
      assert.deepEqual(polls, [0, 10_000, 40_000, 70_000]);
    },
  }));

Deno.test("SyncLoop waits the five minutes of a key that a poll on request has found refused", () =>
  withLoop([fine, fails(403)], {
    test: async ({ clock, loop, polls }) => {
      await clock.pass(10_000);
      await loop.poll(new AbortController().signal);
      await clock.pass(4 * 60_000);
      assert.deepEqual(polls, [0, 10_000]);
    },
  }));

Deno.test("SyncLoop.poll() says that it has not asked while the rate limit does not allow it", () => {
  let waitMs = 0;
  return withLoop([fine], {
    readyInMs: () => waitMs,
    test: async ({ clock, loop, polls }) => {
      waitMs = 5_000;
      assert.equal(await loop.poll(new AbortController().signal), false);
      assert.deepEqual(polls, [0]);
      waitMs = 0;
      await clock.pass(5_000);
      assert.deepEqual(polls.length, 2);
    },
  });
});

Deno.test("SyncLoop keeps nothing of a wait that is over (each poll left half a kilobyte)", async () => {
  const { then } = Promise.prototype;
  const live = new Map<Promise<unknown>, number>();
  // Reactions on one promise that never settles are what grew.
  Promise.prototype.then = function (this: Promise<unknown>, ...args: Parameters<typeof then>) {
    live.set(this, (live.get(this) ?? 0) + 1);
    return then.apply(this, args);
  } as typeof then;
  try {
    await withLoop([fine], {
      test: async ({ clock, polls }) => {
        await clock.pass(200 * INTERVAL_MS);
        assert.ok(polls.length > 190);
      },
    });
  } finally {
    Promise.prototype.then = then;
  }
  assert.ok(Math.max(...live.values()) < 50, `${Math.max(...live.values())} reactions on one promise`);
});
