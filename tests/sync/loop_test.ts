import assert from "node:assert/strict";
import type { ListedEndpoints } from "../../src/model/discovery.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { ApiError } from "../../src/model/errors.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { NOTHING_SAVED, roundSettings } from "../fakes/sync_effects.ts";
import { found, NEVER, TestLoop } from "../fakes/sync_loop.ts";

const SAVED = { ...NOTHING_SAVED, endpoints: endpoints("http://a.t") };
const DOWN = new ApiError("Cannot reach the API: refused", {
  status: 0,
  code: "unreachable",
  hint: "Check the network",
});

function apiError(status: number, code = ""): ApiError {
  return new ApiError(`${status}`, { status, code });
}

Deno.test("SyncLoop polls at once, and then at each interval", () =>
  new TestLoop([found("http://a.t")]).run(async ({ clock, loop, polls, world }) => {
    await clock.pass(90_000);
    assert.deepEqual(polls, [0, 30_000, 60_000, 90_000]);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    assert.deepEqual(loop.status, { state: "ok", lastPoll: 90_000 });
  }));

Deno.test("SyncLoop serves the saved endpoints before the first poll has an answer", () => {
  const silent = Promise.withResolvers<ListedEndpoints>();
  return new TestLoop([() => silent.promise], { saved: SAVED }).run(async ({ loop, world }) => {
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    assert.deepEqual([...world.published.keys()], ["a.t"]);
    assert.equal(loop.outcomes[0]?.state, "active");
    assert.equal(loop.status.state, "never");
    await Promise.resolve(silent.reject(new Error("stopped")));
  });
});

Deno.test("SyncLoop keeps endpoints, listeners and names through failures of every kind", () => {
  const failures = [DOWN, apiError(500), apiError(401), apiError(404), new TypeError("our own bug")];
  return new TestLoop([found("http://a.t"), ...failures]).run(async ({ clock, loop, polls, world }) => {
    await clock.pass(3_600_000);
    assert.ok(polls.length > failures.length);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    assert.deepEqual([...world.published.keys()], ["a.t"]);
    assert.deepEqual(world.closed, []);
    assert.equal(world.saves.at(-1)?.endpoints?.length, 1);
    assert.equal(loop.status.state, "failing");
  });
});

Deno.test("SyncLoop doubles its wait with each failure and returns to the interval after a success", () =>
  new TestLoop([DOWN, DOWN, found("http://a.t")]).run(async ({ clock, loop, polls }) => {
    assert.deepEqual(loop.status, { state: "unreachable", error: DOWN.message, hint: "Check the network" });
    await clock.pass(300_000);
    assert.deepEqual(polls, [0, 60_000, 180_000, 210_000, 240_000, 270_000, 300_000]);
    assert.deepEqual(loop.status, { state: "ok", lastPoll: 300_000 });
  }));

Deno.test("SyncLoop reports the time of the last good poll while polls fail", () =>
  new TestLoop([found("http://a.t"), DOWN]).run(async ({ clock, loop }) => {
    await clock.pass(40_000);
    assert.deepEqual([loop.status.state, loop.status.lastPoll], ["unreachable", 0]);
  }));

// A wake once cut the five minutes short.
Deno.test("SyncLoop waits five minutes after a refused key, whatever wakes it, but not pollNow() (F36)", () => {
  const refused = apiError(401, "ERR_NGROK_202");
  return new TestLoop([refused, refused, found("http://a.t")]).run(async ({ clock, loop, polls }) => {
    for (let second = 0; second < 299; second++) {
      await clock.pass(1000);
      loop.wake();
    }
    assert.deepEqual(polls, [0]);
    assert.equal(loop.status.state, "key_refused");
    loop.pollNow();
    await clock.pass(0);
    assert.deepEqual(polls, [0, 299_000]);
    loop.pollNow();
    await clock.pass(0);
    assert.equal(loop.status.state, "ok");
    loop.wake();
    await clock.pass(0);
    assert.equal(polls.length, 4);
  });
});

Deno.test("SyncLoop keeps interval and endpoints when the date jumps by 10 years, or back by an hour (F20)", () =>
  new TestLoop([found("http://a.t")]).run(async ({ clock, polls, world }) => {
    const jumps = [10, -20, 10].map((years) => years * 365 * 86_400_000);
    for (const jumpMs of [...jumps, -3_600_000]) {
      clock.setDate(Date.now() + jumpMs);
      const before = polls.length;
      await clock.pass(300_000);
      assert.equal(polls.length - before, 10);
    }
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
    assert.deepEqual([...world.published.keys()], ["a.t"]);
  }));

Deno.test("SyncLoop stretches the interval to one second for each page", () =>
  new TestLoop([{ ...found("http://a.t"), pages: 100 }]).run(async ({ clock, polls }) => {
    await clock.pass(200_000);
    assert.deepEqual(polls, [0, 100_000, 200_000]);
  }));

Deno.test("SyncLoop.pollNow() during a poll leads to one more poll, however often it is called", () => {
  const gates = [Promise.withResolvers<ListedEndpoints>(), Promise.withResolvers<ListedEndpoints>()];
  const test = new TestLoop([...gates.map(({ promise }) => () => promise), found()]);
  return test.run(async ({ clock, loop, polls }) => {
    loop.pollNow();
    loop.pollNow();
    gates[0]!.resolve(found("http://a.t"));
    await clock.pass(0);
    assert.equal(polls.length, 2);
    gates[1]!.resolve(found("http://a.t"));
    await clock.pass(29_999);
    assert.equal(polls.length, 2);
    await clock.pass(1);
    assert.equal(polls.length, 3);
  });
});

Deno.test("SyncLoop ends at once when it is stopped while it waits", async () => {
  const test = new TestLoop([found("http://a.t")]);
  await test.run(async ({ clock }) => await clock.pass(10));
  assert.deepEqual(test.polls, [0]);
});

for (const [answer, settle] of [["a late answer", true], ["a rejection", false]] as const) {
  Deno.test(`SyncLoop stopped during a poll opens nothing and reports no failure: ${answer}`, async () => {
    const test = new TestLoop([(signal) => {
      const end = Promise.withResolvers<ListedEndpoints>();
      signal.addEventListener(
        "abort",
        () => settle ? end.resolve(found("http://a.t")) : end.reject(signal.reason),
      );
      return end.promise;
    }]);
    await test.run(async ({ clock }) => await clock.pass(10));
    assert.equal(test.world.open.size, 0);
    assert.equal(test.loop.status.error, undefined);
  });
}

Deno.test("SyncLoop that is stopped before it starts does nothing", async () => {
  const { loop, polls } = new TestLoop([found("http://a.t")]);
  await loop.run(AbortSignal.abort());
  assert.deepEqual(polls, []);
});

Deno.test("SyncLoop goes on whatever an effect throws, reports it, and recovers", () => {
  const test = new TestLoop([found("http://a.t")]);
  const { listeners, faults } = test.world;
  const { setRoutes } = listeners;
  listeners.setRoutes = () => {
    throw new Error("our own bug");
  };
  for (const effect of ["ensure", "publish", "save"] as const) faults[effect] = new Error(effect);
  return test.run(async ({ clock, loop, polls }) => {
    await clock.pass(60_000);
    assert.equal(polls.length, 3);
    assert.equal(loop.roundError, "our own bug");
    listeners.setRoutes = setRoutes;
    await clock.pass(30_000);
    assert.equal(loop.roundError, "save");
    for (const effect of ["ensure", "publish", "save"] as const) delete faults[effect];
    await clock.pass(30_000);
    assert.equal(loop.roundError, undefined);
    assert.deepEqual(loop.outcomes.map(({ state, reason }) => [state, reason]), [["active", ""]]);
  });
});

// A timer with a longer delay fires at once: the loop polled without a pause.
Deno.test("SyncLoop polls once when the interval is longer than a timer can be", () =>
  new TestLoop([found("http://a.t")], { intervalMs: () => 1e12 }).run(async ({ clock, polls }) => {
    await clock.pass(10);
    assert.deepEqual(polls, [0]);
  }));

Deno.test("SyncLoop without a key says so, keeps serving and repairing, and polls at pollNow()", () => {
  const test = new TestLoop([undefined, undefined, found("http://a.t", "http://b.t")], { saved: SAVED });
  test.world.unbindable.set("127.107.0.2:80", "not_available");
  return test.run(async ({ clock, loop, polls, world }) => {
    assert.equal(loop.status.state, "no_key");
    assert.equal(world.open.size, 0);
    world.unbindable.clear();
    await clock.pass(30_000);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    loop.pollNow();
    await clock.pass(0);
    assert.equal(polls.length, 3);
    assert.equal(world.open.size, 2);
  });
});

// The loop once saved an empty list.
Deno.test("SyncLoop that never had a list saves none while the API is down", () =>
  new TestLoop([DOWN]).run(async ({ clock, world }) => {
    await clock.pass(60_000);
    assert.ok(world.saves.length > 0);
    for (const { endpoints: list } of world.saves) assert.equal(list, undefined);
  }));

Deno.test("SyncLoop keeps address and port of an endpoint that comes and goes with each poll", () => {
  const both = found("http://a.t", "http://b.t");
  const one = { ...both, endpoints: both.endpoints.slice(1) };
  return new TestLoop([both, one, both, one, both]).run(async ({ clock, world }) => {
    const seen = new Set<string>();
    for (let poll = 0; poll < 5; poll++) {
      seen.add(JSON.stringify([...world.published].sort()));
      await clock.pass(30_000);
    }
    assert.deepEqual([...seen], ['[["a.t","127.107.0.2"],["b.t","127.107.0.3"]]', '[["b.t","127.107.0.3"]]']);
  });
});

Deno.test("SyncLoop keeps all while full and empty lists alternate, and believes two empty ones (F39)", () => {
  const full = found("http://a.t");
  const test = new TestLoop([full, found(), full, found(), full, found(), found()]);
  return test.run(async ({ clock, loop, world }) => {
    await clock.pass(30_000);
    assert.match(loop.status.notice ?? "", /lists 0 of 1 known endpoints; keeping/);
    await clock.pass(30_000);
    assert.equal(loop.status.notice, undefined);
    await clock.pass(90_000);
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
    assert.equal(world.saves.at(-1)?.endpoints?.length, 1);
    await clock.pass(30_000);
    assert.deepEqual([[...world.open], world.closed], [[], ["127.107.0.2:80"]]);
    assert.equal(loop.status.notice, undefined);
  });
});

Deno.test("SyncLoop keeps all when a failed poll lies between two empty lists", () => {
  const test = new TestLoop([found("http://a.t"), found(), DOWN, found(), found("http://a.t")]);
  return test.run(async ({ clock, polls, world }) => {
    await clock.pass(600_000);
    assert.ok(polls.length > 4);
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
  });
});

Deno.test("SyncLoop.poll() shares the newer poll after the end of one that pollNow() made obsolete", () => {
  const gates = [1, 2].map(() => Promise.withResolvers<ListedEndpoints>());
  const test = new TestLoop([...gates.map(({ promise }) => () => promise), found("http://a.t")]);
  return test.run(async ({ clock, loop, polls }) => {
    loop.pollNow();
    const newer = loop.poll(NEVER);
    gates[0]!.resolve(found("http://a.t"));
    await clock.pass(0);
    const shared = loop.poll(NEVER);
    await clock.pass(0);
    assert.equal(polls.length, 2);
    gates[1]!.resolve(found("http://a.t"));
    assert.deepEqual(await Promise.all([newer, shared]), [true, true]);
  });
});

// All endpoints were once down until the next poll.
Deno.test("SyncLoop repeats a round in which the addresses had to move to another subnet", async () => {
  const test = new TestLoop([found("http://a.t")]);
  test.settings = roundSettings({ subnet: parseCidr("10.107.0.0/16")! });
  const { addresses } = test.world;
  const { ensure } = addresses;
  addresses.ensure = (wanted) => {
    test.settings = roundSettings({ subnet: parseCidr("10.108.0.0/16")! });
    const outside = wanted.filter((address) => address.startsWith("10.107."));
    if (outside.length === 0) return ensure(wanted);
    return Promise.resolve(new Map(outside.map((address) => [address, "it is not in 10.108.0.0/16"])));
  };
  await test.loop.poll(NEVER);
  const [outcome] = test.loop.outcomes;
  assert.deepEqual([outcome?.state, outcome?.route?.address], ["active", "10.108.0.2"]);
});

Deno.test("SyncLoop.reconcile() runs one round at a time", async () => {
  const { loop, world: { addresses } } = new TestLoop([], { saved: SAVED });
  const { ensure } = addresses;
  let inside = 0;
  let most = 0;
  addresses.ensure = async (wanted) => {
    most = Math.max(most, ++inside);
    await Promise.resolve();
    inside--;
    return await ensure(wanted);
  };
  await Promise.all([loop.reconcile(), loop.reconcile(), loop.reconcile()]);
  assert.equal(most, 1);
});

Deno.test("SyncLoop.reconcile() follows changed settings without a poll", async () => {
  const test = new TestLoop([], { saved: SAVED });
  const { loop, world, polls } = test;
  await loop.reconcile();
  test.settings = roundSettings({ listenInterface: "0.0.0.0", resolveInterface: (name) => name });
  await loop.reconcile();
  assert.deepEqual([...world.open], ["0.0.0.0:80"]);
  assert.deepEqual([...world.published], [["a.t", "127.0.0.1"]]);
  test.settings = roundSettings();
  await loop.reconcile();
  assert.deepEqual([...world.published], [["a.t", "127.107.0.2"]]);
  assert.deepEqual(polls, []);
});

// Endpoints that had failed before they went were once kept for ever.
Deno.test("SyncLoop makes the listeners forget the endpoints that are gone, failed ones too", async () => {
  const three = found("http://a.t", "http://b.t", "http://c.t");
  const { loop, world } = new TestLoop([three, three, found("http://a.t")]);
  await loop.poll(NEVER);
  world.open.clear();
  world.unbindable.set("127.107.0.3:80", "not_available");
  await loop.poll(NEVER);
  assert.deepEqual(world.forgotten, []);
  await loop.poll(NEVER);
  assert.deepEqual(world.forgotten.sort(), ["ep_00001", "ep_00002"]);
});

Deno.test("SyncLoop.refused holds what the poll refused and what allocation refused", async () => {
  const early = { id: "ep_x", url: "ftp://x", reason: "the scheme is not known" };
  const { loop } = new TestLoop([{ ...found("https://a.t", "tls://a.t"), refused: [early] }]);
  await loop.poll(NEVER);
  assert.deepEqual(loop.refusals.refused.map(({ id }) => id), ["ep_x", "ep_00001"]);
});

Deno.test("SyncLoop begins no round after it was stopped, and none runs when run() ends", async () => {
  const { loop, world } = new TestLoop([found("http://a.t")]);
  const stop = new AbortController();
  const hold = Promise.withResolvers<void>();
  const { publish } = world.names;
  let inRound = false;
  world.names.publish = async (names) => {
    inRound = true;
    stop.abort();
    await hold.promise;
    inRound = false;
    return await publish(names);
  };
  const running = loop.run(stop.signal);
  while (!inRound) await Promise.resolve();
  const late = loop.poll(NEVER);
  hold.resolve();
  await running;
  assert.equal(inRound, false);
  await late;
  await loop.reconcile();
  const rounds = world.saves.filter((state) => state.endpoints !== undefined).length;
  assert.equal(rounds, 1, "only the round that had begun");
});

Deno.test("SyncLoop runs a task between two rounds, and none after its end", async () => {
  const slow = Promise.withResolvers<void>();
  const order: string[] = [];
  const prepare = async () => {
    order.push("round begins");
    if (order.length === 1) await slow.promise;
    order.push("round goes on");
  };
  const test = new TestLoop([found("http://a.t")], { saved: SAVED, prepare });
  await test.run(async ({ clock, loop, stop }) => {
    const task = loop.betweenRounds(() => {
      order.push("task");
      return Promise.resolve("done");
    });
    await clock.pass(0);
    assert.deepEqual(order, ["round begins"]);
    slow.resolve();
    assert.equal(await task, "done");
    assert.deepEqual(order.slice(0, 3), ["round begins", "round goes on", "task"]);
    stop();
    assert.equal(await loop.betweenRounds(() => Promise.resolve("late")), undefined);
  });
});
