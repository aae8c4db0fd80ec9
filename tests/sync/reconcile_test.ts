import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import { allocate } from "../../src/sync/allocate.ts";
import { diff } from "../../src/sync/diff.ts";
import { openListeners } from "../../src/sync/open_listeners.ts";
import { reconcile, type ReconcileOutcome } from "../../src/sync/reconcile.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld, roundSettings } from "../fakes/sync_effects.ts";

interface Settings {
  readonly mode?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly ports?: ReadonlyMap<string, number>;
  readonly startPort?: number;
  readonly machineIp?: string;
}

/** A machine on which endpoints with these URLs are served. */
class Machine extends FakeWorld {
  async round(urls: readonly string[], settings: Settings = {}): Promise<ReconcileOutcome> {
    const { mode = "virtual", overrides = {}, ports = new Map(), startPort = 9080, ...rest } = settings;
    const resolveInterface = (name: string) => name;
    const options = roundSettings({ listenInterface: mode, overrides, resolveInterface, ...rest });
    const { routes } = allocate(endpoints(...urls), { ...options, leases: new Map() });
    const difference = diff(routes, { observed: this.listeners.observe(), ports });
    const opened = await openListeners(difference, this, { ports, startPort });
    return await reconcile(opened, this, { ...options, ports, unserved: new Map() });
  }

  /** Lets the ports of 127.107.0.2 be in use. */
  occupy(...ports: number[]): void {
    for (const port of ports) this.unbindable.set(`127.107.0.2:${port}`, "in_use");
  }
}

/** Service → `address:port`. */
function listening(outcome: ReconcileOutcome): Record<string, string> {
  return Object.fromEntries(
    outcome.routes.filter((route) => !route.extra).map((
      { hostname, port, address, localPort },
    ) => [`${hostname}:${port}`, `${address}:${localPort}`]),
  );
}

/** True if nothing is left to retry. */
function isComplete(outcome: ReconcileOutcome): boolean {
  return outcome.applied !== undefined;
}

Deno.test("reconcile() makes addresses, opens listeners, sets the routes and publishes the names", async () => {
  const machine = new Machine();
  const outcome = await machine.round(["http://a.t", "tcp://a.t:5432", "http://b.t"]);
  assert.deepEqual(listening(outcome), {
    "a.t:80": "127.107.0.2:80",
    "b.t:80": "127.107.0.3:80",
    "a.t:5432": "127.107.0.2:5432",
  });
  assert.deepEqual(machine.ensured, ["127.107.0.2", "127.107.0.3"]);
  assert.deepEqual([...machine.open].sort(), ["127.107.0.2:5432", "127.107.0.2:80", "127.107.0.3:80"]);
  assert.equal(machine.table.at("127.107.0.3:80")?.sole?.hostname, "b.t");
  assert.deepEqual([...machine.published], [["a.t", "127.107.0.2"], ["b.t", "127.107.0.3"]]);
  assert.deepEqual([isComplete(outcome), outcome.reasons.size, outcome.ports.size], [true, 0, 0]);
});

Deno.test("reconcile() changes nothing the second time", async () => {
  const machine = new Machine();
  await machine.round(["http://a.t"]);
  await machine.round(["http://a.t"]);
  assert.deepEqual(machine.bindAttempts, ["127.107.0.2:80"]);
  assert.deepEqual(machine.closed, []);
});

for (const reason of ["denied", "not_available", "other"] as const) {
  Deno.test(`reconcile() goes on with the others when one endpoint cannot listen: ${reason}`, async () => {
    const machine = new Machine();
    machine.unbindable.set("127.107.0.3:80", reason);
    const outcome = await machine.round(["http://a.t", "http://b.t", "http://c.t"]);
    assert.deepEqual(Object.keys(listening(outcome)), ["a.t:80", "c.t:80"]);
    assert.deepEqual([...outcome.reasons], [["b.t:80", `Cannot bind 127.107.0.3:80: ${reason}`]]);
    assert.equal(isComplete(outcome), false);
    assert.deepEqual([...machine.published.keys()], ["a.t", "c.t"]);
  });
}

Deno.test("reconcile() makes a reason of an exception while a listener opens", async () => {
  const machine = new Machine();
  const { open } = machine.listeners;
  machine.listeners.open = (where) => {
    if (where.address === "127.107.0.2") throw new TypeError("our own bug");
    open(where);
  };
  const outcome = await machine.round(["http://a.t", "http://b.t"]);
  assert.match(outcome.reasons.get("a.t:80")!, /127\.107\.0\.2:80: our own bug/);
  assert.deepEqual(Object.keys(listening(outcome)), ["b.t:80"]);
});

Deno.test("reconcile() binds no address that could not be made, says why, and keeps the saved port", async () => {
  const machine = new Machine();
  machine.missing.set("127.107.0.2", "no such address");
  const outcome = await machine.round(["http://a.t", "http://b.t"], { ports: new Map([["a.t:80", 9095]]) });
  assert.deepEqual([...outcome.reasons], [["a.t:80", "no such address"]]);
  assert.deepEqual(machine.bindAttempts, ["127.107.0.3:80"]);
  assert.deepEqual([...machine.published.keys()], ["b.t"]);
  // It was forgotten.
  assert.deepEqual([...outcome.ports], [["a.t:80", 9095]]);
});

Deno.test("reconcile() closes the listener of an address that is gone", async () => {
  const machine = new Machine();
  await machine.round(["http://a.t"]);
  machine.missing.set("127.107.0.2", "no such address");
  const outcome = await machine.round(["http://a.t"]);
  assert.deepEqual([outcome.routes, [...machine.open]], [[], []]);
});

// The error once ended the round.
Deno.test("reconcile() goes on when the address driver throws, and keeps what listens", async () => {
  const machine = new Machine();
  await machine.round(["http://a.t"]);
  machine.faults.ensure = new Error("ip is missing");
  machine.unbindable.set("127.107.0.3:80", "not_available");
  const outcome = await machine.round(["http://a.t", "http://b.t"]);
  assert.deepEqual(listening(outcome), { "a.t:80": "127.107.0.2:80" });
  assert.match(outcome.reasons.get("b.t:80")!, /not_available; ip is missing$/);
});

// The error once ended the round.
Deno.test("reconcile() goes on when the publisher throws, and reports it for every name", async () => {
  const machine = new Machine();
  machine.faults.publish = new Error("hosts file is damaged");
  const outcome = await machine.round(["http://a.t", "https://*.t"]);
  assert.equal(outcome.routes.length, 2);
  assert.deepEqual([...outcome.reasons], [["a.t:80", "hosts file is damaged"]]);
});

// In network mode nothing led this machine to its own endpoints where resolv.conf is a link.
Deno.test("reconcile() publishes every name but wildcards at the address that this machine uses (R98)", async () => {
  const machine = new Machine();
  machine.unbindable.set("127.107.0.3:80", "denied");
  await machine.round(["https://*.w.t", "http://a.t", "http://b.t"]);
  assert.deepEqual([...machine.published], [["b.t", "127.107.0.4"]]);
  for (const [mode, address] of [["0.0.0.0", "127.0.0.1"], ["192.0.2.7", "192.0.2.7"]] as const) {
    await machine.round(["http://a.t", "https://*.a.t"], { mode });
    assert.deepEqual([...machine.published], [["a.t", address]]);
  }
  // dnsmasq on this machine gave the LAN 127.0.0.1.
  await machine.round(["http://a.t"], { mode: "0.0.0.0", machineIp: "192.0.2.9" });
  assert.deepEqual([...machine.published], [["a.t", "192.0.2.9"]]);
});

Deno.test("reconcile() reports a name that does not resolve for all its ports, which listen", async () => {
  const machine = new Machine();
  machine.unpublished.set("a.t", "the name is in the hosts file already");
  const outcome = await machine.round(["http://a.t", "https://a.t", "http://b.t"]);
  assert.deepEqual([...outcome.reasons.keys()].sort(), ["a.t:443", "a.t:80"]);
  assert.deepEqual([outcome.routes.length, isComplete(outcome)], [3, true]);
});

Deno.test("reconcile() closes unneeded listeners before it binds", async () => {
  const machine = new Machine();
  machine.open.add("0.0.0.0:80").add("127.107.0.2:81");
  await machine.round(["http://a.t"]);
  assert.deepEqual(machine.closed, ["0.0.0.0:80", "127.107.0.2:81"]);
  assert.deepEqual([...machine.open], ["127.107.0.2:80"]);
});

Deno.test("reconcile() moves no port in a change of mode because of its own listeners (R106)", async () => {
  const machine = new Machine();
  const urls = ["http://a.t", "https://b.t", "http://c.t:3000", "tcp://d.t:5432"];
  let ports: ReadonlyMap<string, number> = new Map();
  // Another program holds the port of d.t on its virtual address, so that d.t is on 9080 there.
  machine.unbindable.set("127.107.0.5:5432", "in_use");
  for (const [index, mode] of ["virtual", "0.0.0.0", "virtual", "0.0.0.0"].entries()) {
    const outcome = await machine.round(urls, { mode, ports });
    ({ ports } = outcome);
    const isVirtual = mode === "virtual";
    const at = (end: string) => isVirtual ? `127.107.0.${end}` : "0.0.0.0";
    assert.deepEqual(listening(outcome), {
      "a.t:80": `${at("2")}:80`,
      "b.t:443": `${at("3")}:443`,
      "c.t:3000": `${at("4")}:3000`,
      "d.t:5432": `${at("5")}:${isVirtual ? 9080 : 5432}`,
    });
    // 9080 was the port of d.t until this round. c.t keeps its own for network mode.
    const http = index === 0 ? [] : [["c.t:3000", 9081]];
    assert.deepEqual([...ports].sort(), [...http, ...isVirtual ? [["d.t:5432", 9080]] : []]);
    assert.equal(isComplete(outcome), true);
  }
});

Deno.test("reconcile() takes the next free port when a port is in use, and reports it", async () => {
  const machine = new Machine();
  machine.occupy(80, 9080);
  const outcome = await machine.round(["http://a.t"]);
  assert.deepEqual(listening(outcome), { "a.t:80": "127.107.0.2:9081" });
  assert.deepEqual([...outcome.ports], [["a.t:80", 9081]]);
  assert.match(outcome.reasons.get("a.t:80")!, /^port 80 is in use on 127\.107\.0\.2, listening on 9081; /);
  assert.equal(machine.table.at("127.107.0.2:9081")?.sole?.port, 80);
});

Deno.test("reconcile() returns to the saved port, and to the URL's own as soon as that is free", async () => {
  const machine = new Machine();
  const ports = new Map([["a.t:80", 9095]]);
  machine.occupy(80);
  assert.deepEqual(listening(await machine.round(["http://a.t"], { ports })), {
    "a.t:80": "127.107.0.2:9095",
  });
  machine.unbindable.clear();
  const outcome = await machine.round(["http://a.t"], { ports });
  assert.deepEqual(listening(outcome), { "a.t:80": "127.107.0.2:80" });
  assert.deepEqual([...machine.open], ["127.107.0.2:80"]);
  assert.deepEqual([outcome.ports.size, outcome.reasons.size], [0, 0]);
});

for (const reason of ["exhausted", "other", "denied"] as const) {
  Deno.test(`reconcile() keeps a remapped listener when its own port cannot be tried: ${reason}`, async () => {
    const machine = new Machine();
    machine.occupy(80);
    const { ports } = await machine.round(["http://a.t"]);
    assert.deepEqual([...ports], [["a.t:80", 9080]]);
    machine.unbindable.set("127.107.0.2:80", reason);
    const outcome = await machine.round(["http://a.t"], { ports });
    assert.deepEqual([isComplete(outcome), listening(outcome)], [true, { "a.t:80": "127.107.0.2:9080" }]);
    assert.deepEqual([[...machine.open], machine.closed], [["127.107.0.2:9080"], []]);
  });
}

Deno.test("reconcile() remembers the saved port of an endpoint that cannot listen now", async () => {
  const machine = new Machine();
  machine.unbindable.set("127.107.0.2:80", "denied");
  const outcome = await machine.round(["http://a.t"], { ports: new Map([["a.t:80", 9095]]) });
  assert.deepEqual([...outcome.ports], [["a.t:80", 9095]]);
});

Deno.test("reconcile() tries the saved port and at most 20 more, and says so", async () => {
  const machine = new Machine();
  machine.occupy(80, ...Array.from({ length: 120 }, (_, index) => 9080 + index));
  const outcome = await machine.round(["http://a.t"], { ports: new Map([["a.t:80", 9150]]) });
  assert.equal(machine.bindAttempts.length, 22);
  assert.match(
    outcome.reasons.get("a.t:80")!,
    /127\.107\.0\.2:80: in_use; the 20 ports from 9080 up are in use too$/,
  );
});

Deno.test("reconcile() tries no port above 65535", async () => {
  const machine = new Machine();
  machine.occupy(80, 65534, 65535);
  const outcome = await machine.round(["http://a.t"], { startPort: 65534 });
  assert.deepEqual(machine.bindAttempts, ["127.107.0.2:80", "127.107.0.2:65534", "127.107.0.2:65535"]);
  assert.equal(isComplete(outcome), false);
});

Deno.test("reconcile() never remaps a listener that several names share", async () => {
  const machine = new Machine();
  machine.unbindable.set("0.0.0.0:80", "in_use");
  const outcome = await machine.round(["http://a.t", "http://b.t", "tcp://c.t:8081"], { mode: "0.0.0.0" });
  assert.deepEqual([...outcome.reasons.keys()], ["a.t:80", "b.t:80"]);
  assert.deepEqual(machine.bindAttempts, ["0.0.0.0:80", "0.0.0.0:8081"]);
});

Deno.test("reconcile() lets tcp yield a port to https on a shared interface", async () => {
  const outcome = await new Machine().round(["tcp://a.t:443", "https://b.t"], { mode: "0.0.0.0" });
  assert.deepEqual(listening(outcome), { "b.t:443": "0.0.0.0:443", "a.t:443": "0.0.0.0:9080" });
});

// The first name in the alphabet once took the port.
Deno.test("reconcile() remaps no endpoint to a port that another has in its URL", async () => {
  const urls = ["tcp://a.t:443", "https://b.t", "tcp://c.t:9080", "http://d.t:9081"];
  const outcome = await new Machine().round(urls, { mode: "0.0.0.0" });
  assert.deepEqual(listening(outcome), {
    "a.t:443": "0.0.0.0:9082",
    "b.t:443": "0.0.0.0:443",
    "c.t:9080": "0.0.0.0:9080",
    "d.t:9081": "0.0.0.0:9081",
  });
  assert.equal(isComplete(outcome), true);
});

// A new endpoint once took over such a port.
Deno.test("reconcile() gives a new endpoint no port to which another has been remapped", async () => {
  const machine = new Machine();
  const settings = { mode: "0.0.0.0" };
  machine.unbindable.set("0.0.0.0:5432", "in_use");
  const first = await machine.round(["tcp://z.t:5432"], settings);
  assert.deepEqual(listening(first), { "z.t:5432": "0.0.0.0:9080" });
  const second = await machine.round(["tcp://a.t:5432", "tcp://b.t:9080", "tcp://z.t:5432"], {
    ...settings,
    ports: first.ports,
  });
  assert.deepEqual(listening(second), {
    "a.t:5432": "0.0.0.0:9081",
    "b.t:9080": "0.0.0.0:9082",
    "z.t:5432": "0.0.0.0:9080",
  });
  assert.deepEqual(machine.closed, []);
});

Deno.test("reconcile() keeps the port of an endpoint that is away for its return", async () => {
  const machine = new Machine();
  machine.unbindable.set("0.0.0.0:5432", "in_use");
  const ports = new Map([["z.t:5432", 9080]]);
  const outcome = await machine.round(["tcp://a.t:5432"], { mode: "0.0.0.0", ports });
  assert.deepEqual(listening(outcome), { "a.t:5432": "0.0.0.0:9081" });
});

// The search once ended after 20 ports.
Deno.test("reconcile() finds ports for 3,000 endpoints that want the same one, in less than 4 s", async () => {
  const machine = new Machine();
  const urls = Array.from({ length: 3000 }, (_, index) => `tcp://n${index}.t:5432`);
  const started = cpuTimeMs();
  const first = await machine.round(urls, { mode: "0.0.0.0" });
  assert.equal(first.routes.length, 3000);
  assert.equal(machine.open.size, 3000);
  const second = await machine.round(urls, { mode: "0.0.0.0", ports: first.ports });
  assert.ok(cpuTimeMs() - started < 4000, `${cpuTimeMs() - started} ms`);
  assert.deepEqual(listening(second), listening(first));
});

// One of the two could once not be bound.
Deno.test("reconcile() serves a virtual address by the listener on every address of the same port", async () => {
  const machine = new Machine();
  const urls = ["http://admin.t:8080", "http://zz.t:8080", "tcp://db.t:5432", "tcp://own.t:5432"];
  const settings = { mode: "0.0.0.0", overrides: { "admin.t": "virtual", "own.t": "virtual" } };
  await machine.round([urls[0]!, urls[3]!], settings);
  assert.deepEqual([...machine.open].sort(), ["127.107.0.2:8080", "127.107.0.3:5432"]);
  const outcome = await machine.round(urls, settings);
  assert.deepEqual(listening(outcome), {
    "zz.t:8080": "0.0.0.0:8080",
    "db.t:5432": "0.0.0.0:5432",
    "admin.t:8080": "127.107.0.2:8080",
    "own.t:5432": "127.107.0.3:5432",
  });
  assert.equal(isComplete(outcome), true);
  const shared = [...machine.open].filter((key) => !key.endsWith(":9080")).sort();
  assert.deepEqual(shared, ["0.0.0.0:5432", "0.0.0.0:8080"], "one listener for all of a port");
  await machine.round([urls[0]!, urls[3]!], settings);
  assert.deepEqual([...machine.open].sort(), ["127.107.0.2:8080", "127.107.0.3:5432"]);
});

// The other listener once took its connections, and a second round closed the shared one.
Deno.test("reconcile() gives no endpoint an extra port that another has on every address", async () => {
  const machine = new Machine();
  const urls = ["http://a.t:3000", "http://z.t:8002"];
  const settings = { mode: "0.0.0.0", overrides: { "z.t": "192.0.2.1" } };
  const { routes, reasons, ports } = await machine.round(urls, settings);
  const own = routes.filter((route) => route.extra).map(({ address, localPort }) =>
    `${address}:${localPort}`
  );
  assert.deepEqual(own, ["0.0.0.0:9080", "192.0.2.1:9081"]);
  assert.equal(reasons.get("a.t:3000"), "by IP address or localhost on port 9080");
  assert.equal(reasons.get("z.t:8002"), "by IP address on port 9081", "localhost leads elsewhere");
  assert.deepEqual([...ports], [["a.t:3000", 9080], ["z.t:8002", 9081]]);
  machine.closed.length = 0;
  await machine.round(urls, { ...settings, ports });
  assert.deepEqual(machine.closed, []);
});

Deno.test("reconcile() is complete without a port for an extra listener, and says why it has none", async () => {
  const machine = new Machine();
  for (let port = 9080; port < 9100; port++) machine.unbindable.set(`0.0.0.0:${port}`, "in_use");
  const outcome = await machine.round(["http://a.t:3000"], { mode: "0.0.0.0" });
  assert.deepEqual([outcome.routes.length, isComplete(outcome)], [1, true]);
  assert.match(
    outcome.reasons.get("a.t:3000")!,
    /^no port for IP addresses and localhost: .* the 20 ports from 9080 up are in use too$/,
  );
});

// The reason of a failed endpoint once ended with the port that still worked.
Deno.test("reconcile() names no extra port in the reason of an endpoint that fails", async () => {
  const machine = new Machine();
  machine.unbindable.set("0.0.0.0:3000", "denied");
  const { reasons } = await machine.round(["http://a.t:3000"], { mode: "0.0.0.0" });
  assert.equal(reasons.get("a.t:3000"), "Cannot bind 0.0.0.0:3000: denied");
});

Deno.test("reconcile() logs the first 50 ports in use, and only the number of the others", async () => {
  await using captured = await captureLog();
  const machine = new Machine();
  const urls = Array.from({ length: 100 }, (_, index) => `tcp://e${index}.t:7000`);
  for (let host = 2; host < 102; host++) machine.unbindable.set(`127.107.0.${host}:7000`, "in_use");
  const { ports } = await machine.round(urls);
  await machine.round(urls, { ports });
  const lines = captured.lines("warning");
  assert.deepEqual([lines.length, lines[0], lines.at(-1)], [
    51,
    "Port in use, trying next port",
    "Remapped 50 more ports",
  ]);
});
