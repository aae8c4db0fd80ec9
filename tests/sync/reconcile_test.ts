import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import { allocate } from "../../src/sync/allocate.ts";
import { diff } from "../../src/sync/diff.ts";
import { reconcile, type ReconcileOutcome } from "../../src/sync/reconcile.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld, roundSettings } from "../fakes/sync_effects.ts";

interface Settings {
  readonly mode?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly ports?: ReadonlyMap<string, number>;
  readonly startPort?: number;
}

function round(
  world: FakeWorld,
  urls: readonly string[],
  settings: Settings = {},
): Promise<ReconcileOutcome> {
  const { mode = "virtual", overrides = {}, ports = new Map(), startPort = 9080 } = settings;
  const { routes } = allocate(endpoints(...urls), {
    ...roundSettings({ listenInterface: mode, overrides, resolveInterface: (name) => name }),
    leases: new Map(),
  });
  return reconcile(diff(routes, { observed: world.listeners.observe(), ports }), world, { ports, startPort });
}

function listening(outcome: ReconcileOutcome): Record<string, string> {
  return Object.fromEntries(
    outcome.routes.filter((route) => !route.own).map((
      { hostname, port, address, localPort },
    ) => [`${hostname}:${port}`, `${address}:${localPort}`]),
  );
}

Deno.test("reconcile() makes addresses, opens listeners, sets the routes and publishes the names", async () => {
  const world = new FakeWorld();
  const outcome = await round(world, ["http://a.t", "tcp://a.t:5432", "http://b.t"]);
  assert.deepEqual(listening(outcome), {
    "a.t:80": "127.107.0.2:80",
    "b.t:80": "127.107.0.3:80",
    "a.t:5432": "127.107.0.2:5432",
  });
  assert.deepEqual(world.ensured, ["127.107.0.2", "127.107.0.3"]);
  assert.deepEqual([...world.open].sort(), ["127.107.0.2:5432", "127.107.0.2:80", "127.107.0.3:80"]);
  assert.equal(world.table.at("127.107.0.3:80")?.sole?.hostname, "b.t");
  assert.deepEqual([...world.published], [["a.t", "127.107.0.2"], ["b.t", "127.107.0.3"]]);
  assert.deepEqual([outcome.failures.size, outcome.notes.size, outcome.ports.size], [0, 0, 0]);
});

Deno.test("reconcile() a second time changes nothing", async () => {
  const world = new FakeWorld();
  await round(world, ["http://a.t"]);
  await round(world, ["http://a.t"]);
  assert.deepEqual(world.bindTries, ["127.107.0.2:80"]);
  assert.deepEqual(world.closed, []);
});

Deno.test("reconcile() goes on with the others when one endpoint cannot listen, whatever the reason", async () => {
  for (const reason of ["denied", "not_available", "other"] as const) {
    const world = new FakeWorld();
    world.unbindable.set("127.107.0.3:80", reason);
    const outcome = await round(world, ["http://a.t", "http://b.t", "http://c.t"]);
    assert.deepEqual(Object.keys(listening(outcome)), ["a.t:80", "c.t:80"], reason);
    assert.deepEqual([...outcome.failures], [["b.t:80", `Cannot bind 127.107.0.3:80: ${reason}`]]);
    assert.deepEqual([...world.published.keys()], ["a.t", "c.t"]);
  }
});

Deno.test("reconcile() makes a reason of what is thrown while a listener opens", async () => {
  const world = new FakeWorld();
  const { open } = world.listeners;
  world.listeners.open = (where) => {
    if (where.address === "127.107.0.2") throw new TypeError("a fault of ours");
    open(where);
  };
  const outcome = await round(world, ["http://a.t", "http://b.t"]);
  assert.match(outcome.failures.get("a.t:80")!, /127\.107\.0\.2:80: a fault of ours/);
  assert.deepEqual(Object.keys(listening(outcome)), ["b.t:80"]);
});

Deno.test("reconcile() does not try to bind an address that could not be made, and says why", async () => {
  const world = new FakeWorld();
  world.missing.set("127.107.0.2", "no such address");
  const outcome = await round(world, ["http://a.t", "http://b.t"]);
  assert.deepEqual([...outcome.failures], [["a.t:80", "no such address"]]);
  assert.deepEqual(world.bindTries, ["127.107.0.3:80"]);
  assert.deepEqual([...world.published.keys()], ["b.t"]);
});

Deno.test("reconcile() goes on when the addresses' driver throws: what listens keeps listening (the round was lost)", async () => {
  const world = new FakeWorld();
  await round(world, ["http://a.t"]);
  world.faults.ensure = new Error("ip is missing");
  world.unbindable.set("127.107.0.3:80", "not_available");
  const outcome = await round(world, ["http://a.t", "http://b.t"]);
  assert.deepEqual(listening(outcome), { "a.t:80": "127.107.0.2:80" });
  assert.match(outcome.failures.get("b.t:80")!, /not_available; ip is missing$/);
});

Deno.test("reconcile() goes on when the names' driver throws, and notes it with every name (the round was lost)", async () => {
  const world = new FakeWorld();
  world.faults.publish = new Error("hosts file is damaged");
  const outcome = await round(world, ["http://a.t", "https://*.t"]);
  assert.equal(outcome.routes.length, 2);
  assert.deepEqual([...outcome.notes], [["a.t:80", "hosts file is damaged"]]);
});

Deno.test("reconcile() publishes a name only if something listens for it, and never a wildcard or a name on a shared interface", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.3:80", "denied");
  await round(world, ["https://*.w.t", "http://a.t", "http://b.t"]);
  assert.deepEqual([...world.published], [["b.t", "127.107.0.4"]]);
  await round(world, ["http://a.t"], { mode: "0.0.0.0" });
  assert.deepEqual([...world.published], []);
});

Deno.test("reconcile() notes a name that does not resolve with all its ports; they listen all the same", async () => {
  const world = new FakeWorld();
  world.unpublished.set("a.t", "the name is in the hosts file already");
  const outcome = await round(world, ["http://a.t", "https://a.t", "http://b.t"]);
  assert.deepEqual([...outcome.notes.keys()].sort(), ["a.t:443", "a.t:80"]);
  assert.equal(outcome.routes.length, 3);
});

Deno.test("reconcile() closes what is not wanted any more, before it binds", async () => {
  const world = new FakeWorld();
  world.open.add("0.0.0.0:80").add("127.107.0.2:81");
  await round(world, ["http://a.t"]);
  assert.deepEqual(world.closed, ["0.0.0.0:80", "127.107.0.2:81"]);
  assert.deepEqual([...world.open], ["127.107.0.2:80"]);
});

Deno.test("reconcile() takes the next free port when a port is in use, and notes it", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "in_use").set("127.107.0.2:9080", "in_use");
  const outcome = await round(world, ["http://a.t"]);
  assert.deepEqual(listening(outcome), { "a.t:80": "127.107.0.2:9081" });
  assert.deepEqual([...outcome.ports], [["a.t:80", 9081]]);
  assert.deepEqual([...outcome.notes], [["a.t:80", "port 80 is in use on 127.107.0.2, listening on 9081"]]);
  assert.equal(world.table.at("127.107.0.2:9081")?.sole?.port, 80);
});

Deno.test("reconcile() goes back to the saved port, and to the URL's own as soon as that is free", async () => {
  const world = new FakeWorld();
  const ports = new Map([["a.t:80", 9095]]);
  world.unbindable.set("127.107.0.2:80", "in_use");
  assert.deepEqual(listening(await round(world, ["http://a.t"], { ports })), {
    "a.t:80": "127.107.0.2:9095",
  });
  world.unbindable.clear();
  const outcome = await round(world, ["http://a.t"], { ports });
  assert.deepEqual(listening(outcome), { "a.t:80": "127.107.0.2:80" });
  assert.deepEqual([...world.open], ["127.107.0.2:80"]);
  assert.deepEqual([outcome.ports.size, outcome.notes.size], [0, 0]);
});

Deno.test("reconcile() remembers the saved port of an endpoint that cannot listen just now", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "denied");
  const outcome = await round(world, ["http://a.t"], { ports: new Map([["a.t:80", 9095]]) });
  assert.deepEqual([...outcome.ports], [["a.t:80", 9095]]);
});

Deno.test("reconcile() tries the saved port and 20 more at most, and says so", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "in_use");
  for (let port = 9080; port < 9200; port++) world.unbindable.set(`127.107.0.2:${port}`, "in_use");
  const outcome = await round(world, ["http://a.t"], { ports: new Map([["a.t:80", 9150]]) });
  assert.equal(world.bindTries.length, 22);
  assert.match(
    outcome.failures.get("a.t:80")!,
    /127\.107\.0\.2:80: in_use, and so are the 20 ports from 9080 up$/,
  );
});

Deno.test("reconcile() tries no port above 65535", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "in_use").set("127.107.0.2:65534", "in_use").set(
    "127.107.0.2:65535",
    "in_use",
  );
  const outcome = await round(world, ["http://a.t"], { startPort: 65534 });
  assert.deepEqual(world.bindTries, ["127.107.0.2:80", "127.107.0.2:65534", "127.107.0.2:65535"]);
  assert.equal(outcome.failures.size, 1);
});

Deno.test("reconcile() never moves a listener that several names share", async () => {
  const world = new FakeWorld();
  world.unbindable.set("0.0.0.0:80", "in_use");
  const outcome = await round(world, ["http://a.t", "http://b.t", "tcp://c.t:81"], { mode: "0.0.0.0" });
  assert.deepEqual([...outcome.failures.keys()], ["a.t:80", "b.t:80"]);
  assert.deepEqual(world.bindTries, ["0.0.0.0:80", "0.0.0.0:81"]);
});

Deno.test("reconcile() lets tcp yield a port to https on a shared interface", async () => {
  const world = new FakeWorld();
  const outcome = await round(world, ["tcp://a.t:443", "https://b.t"], { mode: "0.0.0.0" });
  assert.deepEqual(listening(outcome), { "b.t:443": "0.0.0.0:443", "a.t:443": "0.0.0.0:9080" });
});

Deno.test("reconcile() moves no endpoint to a port that another has in its URL (it took it, by the order of names)", async () => {
  const world = new FakeWorld();
  const urls = ["tcp://a.t:443", "https://b.t", "tcp://c.t:9080", "http://d.t:9081"];
  const outcome = await round(world, urls, { mode: "0.0.0.0" });
  assert.deepEqual(listening(outcome), {
    "a.t:443": "0.0.0.0:9082",
    "b.t:443": "0.0.0.0:443",
    "c.t:9080": "0.0.0.0:9080",
    "d.t:9081": "0.0.0.0:9081",
  });
  assert.deepEqual(outcome.failures, new Map());
});

Deno.test("reconcile() does not give a newcomer the port that another endpoint has moved to (it took it over)", async () => {
  const world = new FakeWorld();
  const settings = { mode: "0.0.0.0" };
  world.unbindable.set("0.0.0.0:5432", "in_use");
  const first = await round(world, ["tcp://z.t:5432"], settings);
  assert.deepEqual(listening(first), { "z.t:5432": "0.0.0.0:9080" });
  const second = await round(world, ["tcp://a.t:5432", "tcp://b.t:9080", "tcp://z.t:5432"], {
    ...settings,
    ports: first.ports,
  });
  assert.deepEqual(listening(second), {
    "a.t:5432": "0.0.0.0:9081",
    "b.t:9080": "0.0.0.0:9082",
    "z.t:5432": "0.0.0.0:9080",
  });
  assert.deepEqual(world.closed, []);
});

Deno.test("reconcile() keeps the port of an endpoint that is away for its return", async () => {
  const world = new FakeWorld();
  const ports = new Map([["z.t:5432", 9080]]);
  world.unbindable.set("0.0.0.0:5432", "in_use");
  const outcome = await round(world, ["tcp://a.t:5432"], { mode: "0.0.0.0", ports });
  assert.deepEqual(listening(outcome), { "a.t:5432": "0.0.0.0:9081" });
});

Deno.test("reconcile() finds ports for 3,000 endpoints that want the same one, in well under a second (20 was the limit)", async () => {
  const world = new FakeWorld();
  const urls = Array.from({ length: 3000 }, (_, index) => `tcp://n${index}.t:5432`);
  const started = cpuTimeMs();
  const first = await round(world, urls, { mode: "0.0.0.0" });
  assert.equal(first.routes.length, 3000);
  assert.equal(world.open.size, 3000);
  const second = await round(world, urls, { mode: "0.0.0.0", ports: first.ports });
  assert.ok(cpuTimeMs() - started < 4000, `${cpuTimeMs() - started} ms`);
  assert.deepEqual(listening(second), listening(first));
});

Deno.test("reconcile() serves a virtual address beside a listener on every address of the same port (one of them could not be bound)", async () => {
  const world = new FakeWorld();
  const urls = ["http://admin.t:8080", "http://zz.t:8080", "tcp://db.t:5432", "tcp://own.t:5432"];
  const settings = { mode: "0.0.0.0", overrides: { "admin.t": "virtual", "own.t": "virtual" } };
  // The virtual ones stood alone at first, on listeners of their own.
  await round(world, [urls[0]!, urls[3]!], settings);
  assert.deepEqual([...world.open].sort(), ["127.107.0.2:8080", "127.107.0.3:5432"]);
  const outcome = await round(world, urls, settings);
  assert.deepEqual(listening(outcome), {
    "zz.t:8080": "0.0.0.0:8080",
    "db.t:5432": "0.0.0.0:5432",
    "admin.t:8080": "127.107.0.2:8080",
    "own.t:5432": "127.107.0.3:5432",
  });
  assert.deepEqual(outcome.failures, new Map());
  const shared = [...world.open].filter((key) => !key.endsWith(":9080")).sort();
  assert.deepEqual(shared, ["0.0.0.0:5432", "0.0.0.0:8080"], "one listener for all of a port");
  await round(world, [urls[0]!, urls[3]!], settings);
  assert.deepEqual([...world.open].sort(), ["127.107.0.2:8080", "127.107.0.3:5432"]);
});

Deno.test("reconcile() gives no endpoint the port beside the shared one that another has on every address (it took its connections)", async () => {
  const world = new FakeWorld();
  const settings = { mode: "0.0.0.0", overrides: { "z.t": "192.0.2.1" } };
  const { routes, notes } = await round(world, ["http://a.t:3000", "http://z.t:8002"], settings);
  const own = routes.filter((route) => route.own).map(({ address, localPort }) => `${address}:${localPort}`);
  assert.deepEqual(own, ["0.0.0.0:9080", "192.0.2.1:9081"]);
  assert.equal(notes.get("z.t:8002"), "with any Host on port 9081");
  world.closed.length = 0;
  await round(world, ["http://a.t:3000", "http://z.t:8002"], {
    ...settings,
    ports: new Map([["a.t:3000", 9080], ["z.t:8002", 9081]]),
  });
  assert.deepEqual(world.closed, [], "a second round leaves all as it is (it closed the shared listener)");
});
