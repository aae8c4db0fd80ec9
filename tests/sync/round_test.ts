import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";
import { listenerKey } from "../../src/model/route_table.ts";
import type { SavedState } from "../../src/sync/effects.ts";
import { type RoundInput, runRound } from "../../src/sync/round.ts";
import { endpoint, endpoints } from "../fakes/endpoints.ts";
import { ANY_NAME, FakeWorld, NOTHING_SAVED, roundSettings } from "../fakes/sync_effects.ts";
import { captureLog } from "../fakes/captured_log.ts";

function input(
  list: readonly Endpoint[] | undefined,
  fields: Partial<RoundInput["settings"]> & { saved?: SavedState } = {},
): RoundInput {
  const { saved = NOTHING_SAVED, ...rest } = fields;
  return { endpoints: list, refused: [], revision: 1, saved, settings: roundSettings(rest) };
}

Deno.test("runRound() gives every endpoint an outcome; members of a pool share a route", async () => {
  const list = [
    endpoint("http://a.t", "ep_1"),
    endpoint("http://a.t", "ep_2"),
    endpoint("tcp://b.t:22", "ep_3"),
  ];
  const { endpoints: outcomes } = await runRound(input(list), new FakeWorld());
  assert.deepEqual(
    outcomes.map(({ endpoint: { id }, route, state, reason }) => [
      id,
      listenerKey(route!.address, route!.localPort),
      state,
      reason,
    ]),
    [
      ["ep_1", "127.107.0.2:80", "active", ""],
      ["ep_2", "127.107.0.2:80", "active", ""],
      ["ep_3", "127.107.0.3:22", "active", ""],
    ],
  );
});

Deno.test("runRound() names the first 100 endpoints that it refuses and counts the others (R71)", async () => {
  const list = Array.from({ length: 250 }, (_, n) => endpoint("tcp://localhost:22", `ep_${n}`));
  const names = { ...ANY_NAME, judge: () => ({ refused: "is this machine" }) };
  const { refused, refusedMore } = await runRound(
    { ...input(list, { names }), refusedMore: 7 },
    new FakeWorld(),
  );
  assert.deepEqual([refused.length, refused[0]!.id, refusedMore], [100, "ep_0", 157]);
});

Deno.test("runRound() distinguishes failed and refused endpoints, with the reason of each", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "denied");
  const early = { id: "ep_0", url: "ftp://x", reason: "the scheme is not known" };
  const list = [
    endpoint("http://a.t", "ep_1"),
    endpoint("https://b.t", "ep_2"),
    endpoint("tls://b.t", "ep_3"),
  ];
  const done = await runRound({ ...input(list), refused: [early] }, world);
  assert.deepEqual(
    done.endpoints.map(({ endpoint: { id }, state, route }) => [id, state, route !== undefined]),
    [
      ["ep_1", "failed", false],
      ["ep_2", "active", true],
    ],
  );
  assert.match(done.endpoints[0]!.reason, /Cannot bind 127\.107\.0\.2:80: denied/);
  assert.deepEqual(done.refused.map(({ id }) => id), ["ep_0", "ep_3"]);
});

Deno.test("runRound() reports what is unusual about an active endpoint", async () => {
  const world = new FakeWorld();
  world.unpublished.set("a.t", "line 2 gives this name an address too");
  const { endpoints: [outcome] } = await runRound(input(endpoints("http://a.t")), world);
  assert.deepEqual([outcome!.state, outcome!.reason], ["active", "line 2 gives this name an address too"]);
});

Deno.test("runRound() saves leases, ports and the list", async () => {
  const world = new FakeWorld();
  world.heldPorts.add(80);
  const saved: SavedState = { ...NOTHING_SAVED, ports: new Map([["away.t:22", 9090]]) };
  const list = endpoints("http://a.t");
  const done = await runRound(input(list, { saved }), world);
  assert.deepEqual(done.saved, {
    leases: new Map([["a.t", "127.107.0.2"]]),
    ports: new Map([["away.t:22", 9090], ["a.t:80", 9080]]),
    endpoints: list,
  });
  assert.deepEqual(world.saves.at(-1), done.saved);
  await runRound(input(list, { saved: done.saved }), world);
  assert.equal(world.saves.length, 3, "only a new address is saved ahead");
});

// After a crash in between, another name once got the address.
Deno.test("runRound() saves a new address before its listener opens (F1)", async () => {
  const world = new FakeWorld();
  const seen: (readonly string[])[] = [];
  const { open } = world.listeners;
  world.listeners.open = (at) => {
    seen.push([...world.saves.at(-1)?.leases ?? []].map(([name, address]) => `${name} ${address}`));
    open(at);
  };
  const first = await runRound(input(endpoints("http://b.t")), world);
  await runRound(input(endpoints("http://a.t", "http://b.t"), { saved: first.saved }), world);
  assert.deepEqual(seen, [["b.t 127.107.0.2"], ["b.t 127.107.0.2", "a.t 127.107.0.3"]]);
});

Deno.test("runRound() forgets the remapped port of an endpoint that has its own again", async () => {
  // An http endpoint keeps it for network mode.
  const ports = new Map([["a.t:5432", 9080]]);
  const done = await runRound(
    input(endpoints("tcp://a.t:5432"), { saved: { ...NOTHING_SAVED, ports } }),
    new FakeWorld(),
  );
  assert.equal(done.saved.ports.size, 0);
});

Deno.test("runRound() does everything else when the state cannot be saved, and reports it", async () => {
  const world = new FakeWorld();
  world.faults.save = new Error("disk full");
  const done = await runRound(input(endpoints("http://a.t")), world);
  assert.equal(done.saveError, world.faults.save);
  assert.equal(world.open.size, 1);
});

// Version 0.2 of the Go daemon gave each endpoint in network mode a port from net.start_port up.
Deno.test("runRound() keeps the port that the Go daemon gave an http endpoint on port 80 (R105)", async () => {
  const world = new FakeWorld();
  const list = endpoints("http://a.t", "http://b.t", "http://c.t:3000");
  const saved = { ...NOTHING_SAVED, ports: new Map([["a.t:80", 9085]]) };
  const network = { listenInterface: "0.0.0.0", resolveInterface: (name: string) => name };
  const outcome = await runRound(input(list, { saved, ...network }), world);
  assert.deepEqual([...world.open].sort(), ["0.0.0.0:3000", "0.0.0.0:80", "0.0.0.0:9080", "0.0.0.0:9085"]);
  assert.equal(world.table.at("0.0.0.0:9085")?.sole?.hostname, "a.t");
  assert.deepEqual([...outcome.saved.ports].sort(), [["a.t:80", 9085], ["c.t:3000", 9080]]);
});

// A round in virtual mode forgot it, so that the way back to network mode moved the port.
Deno.test("runRound() keeps the port of an http endpoint through a round in virtual mode (R105)", async () => {
  const list = endpoints("http://a.t");
  const saved = { ...NOTHING_SAVED, ports: new Map([["a.t:80", 9085]]) };
  const world = new FakeWorld();
  const virtual = await runRound(input(list, { saved }), world);
  assert.deepEqual([...world.open].map((key) => key.split(":")[1]), ["80"]);
  assert.deepEqual([...virtual.saved.ports], [["a.t:80", 9085]]);
  const network = { listenInterface: "0.0.0.0", resolveInterface: (name: string) => name };
  await runRound(input(list, { saved: virtual.saved, ...network }), world);
  assert.deepEqual([...world.open].sort(), ["0.0.0.0:80", "0.0.0.0:9085"]);
});

// The round once saved an empty list.
Deno.test("runRound() saves no list when there never was one", async () => {
  const world = new FakeWorld();
  const done = await runRound(input(undefined), world);
  assert.deepEqual(done.endpoints, []);
  assert.equal(world.saves[0]!.endpoints, undefined);
});

Deno.test("runRound() handles 10,000 endpoints in less than 4 s, the first time and the second", async () => {
  const world = new FakeWorld();
  const list = endpoints(
    ...Array.from(
      { length: 10_000 },
      (_, index) => `${["http", "https", "tls"][index % 3]}://n${index}.example.t:${1000 + index}`,
    ),
  );
  let saved = NOTHING_SAVED;
  for (let round = 0; round < 2; round++) {
    const started = cpuTimeMs();
    const done = await runRound(input(list, { saved }), world);
    assert.ok(cpuTimeMs() - started < 4000, `${cpuTimeMs() - started} ms`);
    assert.equal(done.endpoints.filter(({ state }) => state === "active").length, 10_000);
    saved = done.saved;
  }
});

// Nothing was once logged.
Deno.test("runRound() logs each saved address that it drops once, and keeps the good ones (F16)", async () => {
  await using logged = await captureLog();
  const leases = new Map([["good.t", "127.107.0.9"], ["host.t", "127.0.0.1"], ["twin.t", "127.107.0.9"]]);
  for (let index = 0; index < 60; index++) leases.set(`n${index}.t`, `10.9.0.${index}`);
  const saved = { ...NOTHING_SAVED, leases };
  const list = endpoints("http://good.t", "http://host.t");
  const first = await runRound(input(list, { saved }), new FakeWorld());
  assert.deepEqual([...first.saved.leases], [["good.t", "127.107.0.9"], ["host.t", "127.107.0.2"]]);
  await runRound(input(list, { saved: first.saved }), new FakeWorld());
  const lines = logged.lines("warning");
  assert.deepEqual([lines.length, lines[0], lines[1], lines.at(-1)], [
    51,
    "Dropped the saved address of host.t: it is not in 127.107.0.0/16",
    "Dropped the saved address of twin.t: another name has it",
    "Dropped 12 more saved addresses",
  ]);
});
