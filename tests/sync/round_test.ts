import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";
import type { SavedState } from "../../src/sync/effects.ts";
import { listenAddress, type RoundInput, runRound } from "../../src/sync/round.ts";
import { endpoint, endpoints } from "../fakes/endpoints.ts";
import { FakeWorld, NOTHING_SAVED, roundSettings } from "../fakes/sync_effects.ts";
import { captureLog } from "../fakes/captured_log.ts";

function input(
  list: readonly Endpoint[] | undefined,
  fields: Partial<RoundInput["settings"]> & { saved?: SavedState } = {},
): RoundInput {
  const { saved = NOTHING_SAVED, ...rest } = fields;
  return { endpoints: list, refused: [], saved, settings: roundSettings(rest) };
}

Deno.test("runRound() gives every endpoint an outcome: members of a pool share a route", async () => {
  const list = [
    endpoint("http://a.t", "ep_1"),
    endpoint("http://a.t", "ep_2"),
    endpoint("tcp://b.t:22", "ep_3"),
  ];
  const { endpoints: outcomes } = await runRound(input(list), new FakeWorld());
  assert.deepEqual(
    outcomes.map(({ endpoint: { id }, route, state, reason }) => [id, listenAddress(route!), state, reason]),
    [
      ["ep_1", "127.107.0.2:80", "active", ""],
      ["ep_2", "127.107.0.2:80", "active", ""],
      ["ep_3", "127.107.0.3:22", "active", ""],
    ],
  );
});

Deno.test("runRound() tells failed from refused, with the reason of each", async () => {
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

Deno.test("runRound() shows what is unusual about an endpoint that is active", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "in_use");
  const { endpoints: [outcome] } = await runRound(input(endpoints("http://a.t")), world);
  assert.equal(outcome!.state, "active");
  assert.match(outcome!.reason, /port 80 is in use .* listening on 9080/);
});

Deno.test("runRound() remembers leases, ports and the list, and saves them", async () => {
  const world = new FakeWorld();
  world.unbindable.set("127.107.0.2:80", "in_use");
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
  assert.equal(world.saves.length, 3, "an address that is known needs no saving ahead");
});

Deno.test("runRound() saves a new address before anybody can see it (after a crash in between another name got it) (F1)", async () => {
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

Deno.test("runRound() forgets the port of an endpoint that has its own again", async () => {
  const done = await runRound(
    input(endpoints("http://a.t"), { saved: { ...NOTHING_SAVED, ports: new Map([["a.t:80", 9080]]) } }),
    new FakeWorld(),
  );
  assert.equal(done.saved.ports.size, 0);
});

Deno.test("runRound() does everything when the state cannot be saved, and says so", async () => {
  const world = new FakeWorld();
  world.faults.save = new Error("disk full");
  const done = await runRound(input(endpoints("http://a.t")), world);
  assert.equal(done.saveError, world.faults.save);
  assert.equal(world.open.size, 1);
});

Deno.test("runRound() remembers no list when there never was one (it remembered an empty one)", async () => {
  const world = new FakeWorld();
  const done = await runRound(input(undefined), world);
  assert.deepEqual(done.endpoints, []);
  assert.equal(world.saves[0]!.endpoints, undefined);
});

Deno.test("runRound() with 10,000 endpoints takes well under a second on fakes, the first time and the second", async () => {
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

Deno.test("runRound() says which saved addresses it cannot keep and why, once, and keeps the good ones (they went in silence) (F16)", async () => {
  await using logged = await captureLog();
  const leases = new Map([["good.t", "127.107.0.9"], ["host.t", "127.0.0.1"], ["twin.t", "127.107.0.9"]]);
  for (let index = 0; index < 30; index++) leases.set(`n${index}.t`, `10.9.0.${index}`);
  const saved = { ...NOTHING_SAVED, leases };
  const first = await runRound(
    input(endpoints("http://good.t", "http://host.t"), { saved }),
    new FakeWorld(),
  );
  assert.deepEqual([...first.saved.leases], [["good.t", "127.107.0.9"], ["host.t", "127.107.0.10"]]);
  const said = logged.lines("warning");
  assert.equal(said.length, 21);
  assert.equal(said[0], "Saved address: host.t cannot keep 127.0.0.1: it is not in 127.107.0.0/16");
  assert.equal(said[1], "Saved address: twin.t cannot keep 127.107.0.9: another name has it");
  assert.equal(said[20], "Saved address: 12 more cannot be kept");
  await runRound(input(endpoints("http://good.t"), { saved: first.saved }), new FakeWorld());
  assert.equal(logged.lines("warning").length, 21);
});
