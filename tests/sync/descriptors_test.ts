import assert from "node:assert/strict";
import { BindError } from "../../src/model/errors.ts";
import { roundSettings } from "../fakes/sync_effects.ts";
import { found, NEVER, TestLoop } from "../fakes/sync_loop.ts";

/** A loop on a machine with this number of descriptors. */
function withDescriptors(limit: number, urls: readonly string[]) {
  const test = new TestLoop([found(...urls)]);
  const { world, loop } = test;
  const descriptors = { limit };
  const { open } = world.listeners;
  world.listeners.open = (where) => {
    const address = `${where.address}:${where.port}`;
    if (world.open.size >= descriptors.limit) {
      throw new BindError(`Cannot bind ${address}: EMFILE`, { address, reason: "exhausted" });
    }
    open(where);
  };
  return {
    test,
    world,
    loop,
    descriptors,
    setList: (now: readonly string[]) => test.answers[0] = found(...now),
  };
}

function urls(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `tcp://e${String(index).padStart(4, "0")}.t:7000`);
}

Deno.test("SyncLoop without descriptors for all serves the others and leaves 64 free (F43)", async () => {
  const { world, loop, descriptors } = withDescriptors(500, urls(1000));
  for (let poll = 0; poll < 3; poll++) {
    await loop.poll(NEVER);
    const states = Map.groupBy(loop.outcomes, ({ state }) => state);
    assert.deepEqual([states.get("active")!.length, states.get("failed")!.length], [436, 564]);
    assert.deepEqual([world.open.size, world.published.size, world.table.routes.length], [436, 436, 436]);
    for (const { reason } of states.get("failed")!) {
      assert.match(
        reason,
        /^Cannot bind 127\.107\.[0-9.]+:7000: no file descriptor is left \(Raise the limit of open files/,
      );
    }
  }
  descriptors.limit = 1_064;
  await loop.poll(NEVER);
  assert.equal(loop.outcomes.filter(({ state }) => state === "active").length, 1000);
});

Deno.test("SyncLoop keeps the listeners that were open before descriptors ran out", async () => {
  const { world, loop, descriptors, setList } = withDescriptors(500, urls(300));
  await loop.poll(NEVER);
  descriptors.limit = 300;
  setList(urls(400));
  world.closed.length = 0;
  await loop.poll(NEVER);
  assert.deepEqual([world.open.size, world.closed], [300, []]);
  assert.equal(loop.outcomes.filter(({ state }) => state === "active").length, 300);
});

Deno.test("SyncLoop returns to a remapped port that was given up for want of descriptors", async () => {
  const { world, loop, descriptors } = withDescriptors(10, urls(20));
  world.heldPorts.add(7000);
  await loop.poll(NEVER);
  assert.equal(world.open.size, 0);
  descriptors.limit = 100;
  await loop.poll(NEVER);
  assert.ok(world.open.has("127.107.0.2:9080"));
});

// The covered endpoint would seem active without a listener.
Deno.test("SyncLoop gives up the listener on every address together with those that it covers", async () => {
  const { world, loop, descriptors, test } = withDescriptors(1, ["http://a.t:8080", "http://v.t:8080"]);
  test.settings = roundSettings({
    listenInterface: "0.0.0.0",
    overrides: { "v.t": "virtual" },
    resolveInterface: (name) => name,
  });
  await loop.poll(NEVER);
  assert.deepEqual(loop.outcomes.map(({ state }) => state), ["failed", "failed"]);
  assert.equal(world.open.size, 0);
  descriptors.limit = 100;
  await loop.poll(NEVER);
  assert.deepEqual(loop.outcomes.map(({ state }) => state), ["active", "active"]);
  assert.deepEqual([...world.open].sort(), ["0.0.0.0:8080", "0.0.0.0:9080"]);
});
