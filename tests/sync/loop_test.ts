import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";
import { ApiError } from "../../src/model/errors.ts";
import type { SavedState } from "../../src/sync/effects.ts";
import type { Discovery } from "../../src/model/discovery.ts";
import { SyncLoop, type SyncLoopOptions } from "../../src/sync/loop.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";

const EMPTY: SavedState = { leases: new Map(), ports: new Map(), endpoints: undefined };
const DOWN = new ApiError("Cannot reach the API: refused", {
  status: 0,
  code: "unreachable",
  hint: "Check the network",
});

function found(...urls: string[]): Discovery {
  return { endpoints: endpoints(...urls), refused: [], pages: 1 };
}

/** A loop over a fake world, whose polls give the answers in turn and then the last one again. */
function setUp(answers: (Discovery | Error | undefined)[], fields: Partial<SyncLoopOptions> = {}) {
  const world = new FakeWorld();
  const polls: number[] = [];
  const settings = {
    subnet: parseCidr("127.107.0.0/16")!,
    listenInterface: "virtual",
    overrides: {},
    resolveInterface: () => undefined,
    startPort: 9080,
  };
  const loop = new SyncLoop({
    poll: () => {
      polls.push(Date.now());
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    effects: world,
    saved: EMPTY,
    settings: () => settings,
    intervalMs: () => 30_000,
    random: () => 0.5,
    ...fields,
  });
  return { loop, world, polls };
}

/** Runs the test with a clock that stands at 0, and ends the loop after it. */
async function withClock(
  test: (clock: FakeTimers.Clock, stop: AbortController) => Promise<void>,
): Promise<void> {
  const clock = FakeTimers.install({ now: 0, toFake: ["setTimeout", "clearTimeout", "Date"] });
  const stop = new AbortController();
  try {
    await test(clock, stop);
  } finally {
    stop.abort();
    clock.uninstall();
  }
}

Deno.test("SyncLoop makes the round again at once when the addresses had to move to another subnet during it (all endpoints were down until the next poll)", async () => {
  let subnet = parseCidr("10.107.0.0/16")!;
  const settings = () => ({
    subnet,
    listenInterface: "virtual",
    overrides: {},
    resolveInterface: () => undefined,
    startPort: 9080,
  });
  const { loop, world } = setUp([found("http://a.t")], { settings });
  const ensure = world.addresses.ensure;
  world.addresses.ensure = (addresses) => {
    subnet = parseCidr("10.108.0.0/16")!;
    const outside = addresses.filter((address) => address.startsWith("10.107."));
    if (outside.length === 0) return ensure(addresses);
    return Promise.resolve(new Map(outside.map((address) => [address, "it is not in 10.108.0.0/16"])));
  };
  await loop.poll(new AbortController().signal);
  assert.deepEqual(loop.outcomes.map(({ state, route }) => [state, route?.address]), [[
    "active",
    "10.108.0.2",
  ]]);
});

Deno.test("SyncLoop polls at once, and then at each interval", () =>
  withClock(async (clock, stop) => {
    const { loop, polls, world } = setUp([found("http://a.t")]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(90_000);
    assert.deepEqual(polls, [0, 30_000, 60_000, 90_000]);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    assert.deepEqual(loop.status, { state: "ok", lastPoll: 90_000 });
    stop.abort();
    await running;
    assert.equal(clock.countTimers(), 0);
  }));

Deno.test("SyncLoop serves the saved endpoints before the first poll has an answer", () =>
  withClock(async (clock, stop) => {
    const list: Endpoint[] = endpoints("http://a.t");
    const silent = Promise.withResolvers<Discovery>();
    const { loop, world } = setUp([], { saved: { ...EMPTY, endpoints: list }, poll: () => silent.promise });
    const running = loop.run(stop.signal);
    await clock.tickAsync(0);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    assert.deepEqual([...world.published.keys()], ["a.t"]);
    assert.equal(loop.outcomes[0]?.state, "active");
    assert.equal(loop.status.state, "never");
    stop.abort();
    silent.reject(new Error("stopped"));
    await running;
  }));

Deno.test("SyncLoop keeps endpoints, listeners and names through failures of every kind", () =>
  withClock(async (clock, stop) => {
    const failures = [
      DOWN,
      new ApiError("500", { status: 500, code: "" }),
      new ApiError("401", { status: 401, code: "" }),
      new ApiError("404", { status: 404, code: "" }),
      new TypeError("a fault of ours"),
    ];
    const { loop, polls, world } = setUp([found("http://a.t"), ...failures]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(3_600_000);
    assert.ok(polls.length > failures.length);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    assert.deepEqual([...world.published.keys()], ["a.t"]);
    assert.deepEqual(world.closed, []);
    assert.equal(world.saves.at(-1)?.endpoints?.length, 1);
    assert.equal(loop.status.state, "failing");
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop doubles its wait with each failure and returns to the interval after a success", () =>
  withClock(async (clock, stop) => {
    const { loop, polls } = setUp([DOWN, DOWN, found("http://a.t")]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(1);
    assert.deepEqual(loop.status, { state: "unreachable", error: DOWN.message, hint: "Check the network" });
    await clock.tickAsync(300_000);
    assert.deepEqual(polls, [0, 60_000, 180_000, 210_000, 240_000, 270_000, 300_000]);
    assert.deepEqual(loop.status, { state: "ok", lastPoll: 300_000 });
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop still knows when the last good poll was while polls fail", () =>
  withClock(async (clock, stop) => {
    const { loop } = setUp([found("http://a.t"), DOWN]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(40_000);
    assert.deepEqual([loop.status.state, loop.status.lastPoll], ["unreachable", 0]);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop waits five minutes after a refused key, unless it is nudged; a wake is no reason to ask (it was one) (F36)", () =>
  withClock(async (clock, stop) => {
    const refused = new ApiError("401", { status: 401, code: "ERR_NGROK_202" });
    const { loop, polls } = setUp([refused, refused, found("http://a.t")]);
    const running = loop.run(stop.signal);
    for (let second = 0; second < 299; second++) {
      await clock.tickAsync(1000);
      loop.wake();
    }
    assert.deepEqual(polls, [0]);
    assert.equal(loop.status.state, "key_refused");
    loop.nudge();
    await clock.tickAsync(0);
    assert.deepEqual(polls, [0, 299_000]);
    loop.nudge();
    await clock.tickAsync(0);
    assert.equal(loop.status.state, "ok");
    loop.wake();
    await clock.tickAsync(0);
    assert.equal(polls.length, 4);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop polls at its interval and removes nothing when the clock jumps by 10 years, or back by an hour (F20)", () =>
  withClock(async (clock, stop) => {
    const { loop, world, polls } = setUp([found("http://a.t")]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(0);
    const jumps = [10, -20, 10].map((years) => years * 365 * 86_400_000);
    for (const jumpMs of [...jumps, -3_600_000]) {
      clock.setSystemTime(Date.now() + jumpMs);
      const before = polls.length;
      await clock.tickAsync(300_000);
      assert.equal(polls.length - before, 10);
    }
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
    assert.deepEqual([...world.published.keys()], ["a.t"]);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop stretches the interval to the pages that a poll takes", () =>
  withClock(async (clock, stop) => {
    const { loop, polls } = setUp([{ ...found("http://a.t"), pages: 100 }]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(200_000);
    assert.deepEqual(polls, [0, 100_000, 200_000]);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop does not lose a nudge that comes during a poll", () =>
  withClock(async (clock, stop) => {
    const gates = [Promise.withResolvers<Discovery>(), Promise.withResolvers<Discovery>()];
    let polls = 0;
    const { loop } = setUp([], { poll: () => gates[polls++]?.promise ?? Promise.resolve(found()) });
    const running = loop.run(stop.signal);
    await clock.tickAsync(0);
    loop.nudge();
    loop.nudge();
    gates[0]!.resolve(found("http://a.t"));
    await clock.tickAsync(0);
    assert.equal(polls, 2);
    gates[1]!.resolve(found("http://a.t"));
    await clock.tickAsync(29_999);
    assert.equal(polls, 2, "two nudges during one poll are one");
    await clock.tickAsync(1);
    assert.equal(polls, 3);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop ends at once when it is stopped while it waits", () =>
  withClock(async (clock, stop) => {
    const { loop, polls } = setUp([found("http://a.t")]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(10);
    stop.abort();
    await running;
    assert.deepEqual(polls, [0]);
    assert.equal(clock.countTimers(), 0);
  }));

Deno.test("SyncLoop stopped during a poll ends with it, opens nothing more and reports no failure", () =>
  withClock(async (clock, stop) => {
    for (const late of [true, false]) {
      const own = new AbortController();
      const { loop, world } = setUp([], {
        poll: (signal) =>
          new Promise((resolve, reject) =>
            signal.addEventListener(
              "abort",
              () => late ? resolve(found("http://a.t")) : reject(signal.reason),
            )
          ),
      });
      const running = loop.run(own.signal);
      await clock.tickAsync(10);
      own.abort();
      await running;
      assert.equal(world.open.size, 0);
      assert.equal(loop.status.error, undefined);
    }
    stop.abort();
  }));

Deno.test("SyncLoop that is stopped already does nothing", async () => {
  const { loop, polls } = setUp([found("http://a.t")]);
  await loop.run(AbortSignal.abort());
  assert.deepEqual(polls, []);
});

Deno.test("SyncLoop goes on whatever an effect throws, shows it, and is whole again afterwards", () =>
  withClock(async (clock, stop) => {
    const { loop, polls, world } = setUp([found("http://a.t")]);
    const { setRoutes } = world.listeners;
    world.listeners.setRoutes = () => {
      throw new Error("a fault of ours");
    };
    world.faults.ensure = new Error("ensure");
    world.faults.publish = new Error("publish");
    world.faults.save = new Error("disk full");
    const running = loop.run(stop.signal);
    await clock.tickAsync(60_000);
    assert.equal(polls.length, 3);
    assert.equal(loop.roundError, "a fault of ours");
    world.listeners.setRoutes = setRoutes;
    await clock.tickAsync(30_000);
    assert.equal(loop.roundError, "disk full");
    delete world.faults.ensure;
    delete world.faults.publish;
    delete world.faults.save;
    await clock.tickAsync(30_000);
    assert.equal(loop.roundError, undefined);
    assert.deepEqual(loop.outcomes.map(({ state, reason }) => [state, reason]), [["active", ""]]);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop does not poll at every turn when the interval is longer than a timer can be (it did)", () =>
  withClock(async (clock, stop) => {
    const timers: number[] = [];
    const { setTimeout } = globalThis;
    globalThis.setTimeout = ((callback: () => void, ms: number) => {
      timers.push(ms);
      return setTimeout(callback, ms);
    }) as typeof globalThis.setTimeout;
    try {
      const { loop } = setUp([found("http://a.t")], { intervalMs: () => 1e12 });
      const running = loop.run(stop.signal);
      await clock.tickAsync(10);
      assert.deepEqual(timers, [2 ** 31 - 1]);
      stop.abort();
      await running;
    } finally {
      globalThis.setTimeout = setTimeout;
    }
  }));

Deno.test("SyncLoop without a key says so, keeps serving and repairing, and polls when it is nudged", () =>
  withClock(async (clock, stop) => {
    const { loop, world, polls } = setUp([undefined, undefined, found("http://a.t", "http://b.t")], {
      saved: { ...EMPTY, endpoints: endpoints("http://a.t") },
    });
    world.unbindable.set("127.107.0.2:80", "not_available");
    const running = loop.run(stop.signal);
    await clock.tickAsync(0);
    assert.equal(loop.status.state, "no_key");
    assert.equal(world.open.size, 0);
    world.unbindable.clear();
    await clock.tickAsync(30_000);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    loop.nudge();
    await clock.tickAsync(0);
    assert.equal(polls.length, 3);
    assert.equal(world.open.size, 2);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop that never had a list remembers none while the API is down (it remembered an empty one)", () =>
  withClock(async (clock, stop) => {
    const { loop, world } = setUp([DOWN]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(60_000);
    assert.ok(world.saves.length > 0);
    for (const { endpoints: list } of world.saves) assert.equal(list, undefined);
    stop.abort();
    await running;
  }));

Deno.test("SyncLoop keeps address and port of an endpoint that flaps at each poll", () =>
  withClock(async (clock, stop) => {
    const both = found("http://a.t", "http://b.t");
    const one = { ...both, endpoints: both.endpoints.slice(1) };
    const { loop, world } = setUp([both, one, both, one, both]);
    const running = loop.run(stop.signal);
    const seen = new Set<string>();
    for (let poll = 0; poll < 5; poll++) {
      await clock.tickAsync(poll === 0 ? 0 : 30_000);
      seen.add(JSON.stringify([...world.published].sort()));
    }
    assert.deepEqual([...seen], ['[["a.t","127.107.0.2"],["b.t","127.107.0.3"]]', '[["b.t","127.107.0.3"]]']);
    stop.abort();
    await running;
  }));

Deno.test("reconcile() runs one round at a time", async () => {
  const { loop, world } = setUp([found("http://a.t")], {
    saved: { ...EMPTY, endpoints: endpoints("http://a.t") },
  });
  const { ensure } = world.addresses;
  let inside = 0;
  let most = 0;
  world.addresses.ensure = async (addresses) => {
    most = Math.max(most, ++inside);
    await Promise.resolve();
    inside--;
    return await ensure(addresses);
  };
  await Promise.all([loop.reconcile(), loop.reconcile(), loop.reconcile()]);
  assert.equal(most, 1);
});

Deno.test("reconcile() follows changed settings without a poll", async () => {
  let listenInterface = "virtual";
  const settings = () => ({
    subnet: parseCidr("127.107.0.0/16")!,
    listenInterface,
    overrides: {},
    resolveInterface: (name: string) => name,
    startPort: 9080,
  });
  const { loop, world, polls } = setUp([], {
    saved: { ...EMPTY, endpoints: endpoints("http://a.t") },
    settings,
  });
  await loop.reconcile();
  listenInterface = "0.0.0.0";
  await loop.reconcile();
  assert.deepEqual([...world.open], ["0.0.0.0:80"]);
  assert.deepEqual([...world.published], []);
  listenInterface = "virtual";
  await loop.reconcile();
  assert.deepEqual([...world.published], [["a.t", "127.107.0.2"]]);
  assert.deepEqual(polls, []);
});

Deno.test("SyncLoop has endpoints forgotten that are gone, those that could not listen at the end too (they were kept for ever)", async () => {
  const { loop, world } = setUp([
    found("http://a.t", "http://b.t", "http://c.t"),
    found("http://a.t", "http://b.t", "http://c.t"),
    found("http://a.t"),
  ]);
  const { signal } = new AbortController();
  await loop.poll(signal);
  world.open.clear();
  world.unbindable.set("127.107.0.3:80", "not_available");
  await loop.poll(signal);
  assert.deepEqual(world.forgotten, []);
  await loop.poll(signal);
  assert.deepEqual(world.forgotten.sort(), ["ep_00001", "ep_00002"]);
});

Deno.test("refused shows what the API listed and what allocation refused", async () => {
  const early = { id: "ep_x", url: "ftp://x", reason: "the scheme is not known" };
  const { loop } = setUp([{ ...found("https://a.t", "tls://a.t"), refused: [early] }]);
  await loop.poll(new AbortController().signal);
  assert.deepEqual(loop.refused.map(({ id }) => id), ["ep_x", "ep_00001"]);
});

Deno.test("SyncLoop removes nothing while full and empty lists alternate, says so, and believes two empty ones (F39)", () =>
  withClock(async (clock, stop) => {
    const full = found("http://a.t");
    const { loop, world } = setUp([full, found(), full, found(), full, found(), found()]);
    const running = loop.run(stop.signal);
    await clock.tickAsync(30_000);
    assert.match(loop.status.notice ?? "", /no endpoints; the 1 known ones are kept/);
    await clock.tickAsync(30_000);
    assert.equal(loop.status.notice, undefined);
    await clock.tickAsync(90_000);
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
    assert.equal(world.saves.at(-1)?.endpoints?.length, 1);
    await clock.tickAsync(30_000);
    assert.deepEqual([[...world.open], world.closed], [[], ["127.107.0.2:80"]]);
    assert.equal(loop.status.notice, undefined);
    stop.abort();
    await running;
  }));
