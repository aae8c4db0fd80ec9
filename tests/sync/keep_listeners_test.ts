import assert from "node:assert/strict";
import { allocate } from "../../src/sync/allocate.ts";
import { diff } from "../../src/sync/diff.ts";
import { reconcile } from "../../src/sync/reconcile.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld, roundSettings } from "../fakes/sync_effects.ts";

Deno.test("an endpoint that had to move keeps its listener when its own port cannot even be tried", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "in_use");
  async function round(ports: ReadonlyMap<string, number>) {
    const { routes } = allocate(endpoints("http://a.t"), { ...roundSettings(), leases: new Map() });
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
