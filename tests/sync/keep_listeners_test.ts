import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { allocate } from "../../src/sync/allocate.ts";
import { diff } from "../../src/sync/diff.ts";
import { SyncLoop } from "../../src/sync/loop.ts";
import { reconcile } from "../../src/sync/reconcile.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";

const SETTINGS = {
  subnet: parseCidr("127.107.0.0/16")!,
  listenInterface: "virtual",
  overrides: {},
  resolveInterface: () => undefined,
  startPort: 9080,
};

Deno.test("an endpoint that had to move keeps its listener when its own port cannot even be tried", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "in_use");
  async function round(ports: ReadonlyMap<string, number>) {
    const { routes } = allocate(endpoints("http://a.t"), { ...SETTINGS, leases: new Map() });
    return await reconcile(diff(routes, { observed: world.listeners.observe(), ports }), world, {
      ports,
      startPort: 9080,
    });
  }
  const { ports } = await round(new Map());
  assert.deepEqual([...ports], [["a.t:80", 9080]]);
  for (const reason of ["exhausted", "other", "denied"] as const) {
    world.unbindable.set("127.107.0.2:80", reason);
    const { failures, routes } = await round(ports);
    assert.deepEqual([failures.size, routes.map((route) => route.localPort)], [0, [9080]], reason);
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:9080"], []], reason);
  }
});

Deno.test("no round begins after the loop was stopped, and none is left when run() ends", async () => {
  const world = new FakeWorld();
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
  const loop = new SyncLoop({
    poll: () => Promise.resolve({ endpoints: endpoints("http://a.t"), refused: [], pages: 1 }),
    effects: world,
    saved: { leases: new Map(), ports: new Map(), endpoints: undefined },
    settings: () => SETTINGS,
    intervalMs: () => 30_000,
  });
  const running = loop.run(stop.signal);
  while (!inRound) await Promise.resolve();
  const late = loop.poll(new AbortController().signal);
  hold.resolve();
  await running;
  assert.equal(inRound, false);
  await late;
  await loop.reconcile();
  const rounds = world.saves.filter((state) => state.endpoints !== undefined).length;
  assert.equal(rounds, 1, "the round that had begun, and no other");
});
