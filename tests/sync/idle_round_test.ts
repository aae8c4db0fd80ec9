import assert from "node:assert/strict";
import type { ListedEndpoints } from "../../src/model/discovery.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import type { RoundSettings } from "../../src/sync/round.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { ANY_NAME, type FakeWorld, roundSettings } from "../fakes/sync_effects.ts";
import { found, NEVER, TestLoop } from "../fakes/sync_loop.ts";

const REFUSED = { id: "ep_x", url: "ftp://x", reason: "the scheme is not known" };

/** A loop whose polls list the same again and again. */
class Machine {
  readonly interfaces = new Map([["eth0", "192.0.2.1"]]);
  readonly #test = new TestLoop([found("http://a.t", "http://b.t", "http://c.t")]);
  readonly loop = this.#test.loop;
  readonly world = this.#test.world;

  constructor() {
    this.set({ overrides: { "c.t": "eth0" }, resolveInterface: (name) => this.interfaces.get(name) });
  }

  set(settings: Partial<RoundSettings>): void {
    this.#test.settings = roundSettings({ ...this.#test.settings, ...settings });
  }

  list(list: Partial<ListedEndpoints>): void {
    this.#test.answers[0] = { ...found("http://a.t", "http://b.t", "http://c.t"), ...list };
  }

  /** Polls; true if a full round followed. Only a full round saves the state. */
  async pollIsFull(): Promise<boolean> {
    const before = this.world.saves.length;
    await this.loop.poll(NEVER);
    return this.world.saves.length > before;
  }
}

async function idleMachine(): Promise<Machine> {
  const machine = new Machine();
  assert.deepEqual([await machine.pollIsFull(), await machine.pollIsFull()], [true, false]);
  return machine;
}

Deno.test("an idle round only checks addresses, listeners and names", async () => {
  const { loop, world } = await idleMachine();
  const { outcomes } = loop;
  const revisions = { ...world.revisions };
  world.ensured = [];
  world.published = new Map();
  await loop.poll(NEVER);
  assert.deepEqual(world.revisions, revisions);
  assert.deepEqual(world.ensured, ["127.107.0.2", "127.107.0.3"]);
  assert.deepEqual([...world.published.keys()], ["a.t", "b.t", "c.t"]);
  assert.equal(loop.outcomes, outcomes);
});

// Lists were compared by identity: one copy on the way turned each idle poll into a full round.
Deno.test("an idle poll of 10,000 endpoints runs no full round, also if list and settings are copies", async () => {
  const urls = Array.from({ length: 10_000 }, (_, index) => `http://e${index}.t`);
  const machine = new Machine();
  machine.list(found(...urls));
  assert.equal(await machine.pollIsFull(), true);
  const { outcomes } = machine.loop;
  machine.world.bindAttempts.length = 0;
  for (let poll = 0; poll < 3; poll++) {
    machine.list(structuredClone(found(...urls)));
    machine.set({
      subnet: parseCidr("127.107.0.0/16")!,
      overrides: { "c.t": "eth0" },
      names: { ...ANY_NAME },
      resolveInterface: (name) => machine.interfaces.get(name),
    });
    assert.equal(await machine.pollIsFull(), false);
  }
  assert.equal(machine.loop.outcomes, outcomes);
  assert.deepEqual([machine.world.bindAttempts, machine.world.closed], [[], []]);
});

const CHANGES: Record<string, (machine: Machine) => void> = {
  "another list": (machine) => machine.list(found("http://a.t")),
  "another refusal by the API": (machine) => machine.list({ refused: [REFUSED] }),
  "another subnet": (machine) => machine.set({ subnet: parseCidr("127.108.0.0/16")! }),
  "a wider subnet": (machine) => machine.set({ subnet: parseCidr("127.107.0.0/15")! }),
  "another interface": (machine) => machine.set({ listenInterface: "eth0" }),
  "other overrides": (machine) => machine.set({ overrides: {} }),
  "another first spare port": (machine) => machine.set({ startPort: 9090 }),
  "another address of an interface": ({ interfaces }) => void interfaces.set("eth0", "192.0.2.2"),
  "an interface that is gone": ({ interfaces }) => void interfaces.delete("eth0"),
  "another policy of names": (machine) => machine.set({ names: { ...ANY_NAME, revision: 1 } }),
  "another address of this machine": (machine) => machine.set({ machineIp: "192.0.2.9" }),
  "another allowed port": (machine) => machine.set({ allowPorts: [22] }),
  "a listener that is gone": ({ world }) => void world.open.delete("127.107.0.2:80"),
  "a listener too many": ({ world }) => void world.open.add("127.107.0.9:80"),
  "an address that is gone": ({ world }) => void world.missing.set("127.107.0.3", "no such address"),
  "a redirect that is gone": ({ world }) => world.faults.redirect = new Error("nft is gone"),
  "another policy for names": (machine) => machine.set({ publishMovedPorts: true }),
  "another policy for held ports": (machine) => machine.set({ redirectHeldPorts: "off" }),
  "a name that does not resolve": ({ world }) => void world.unpublished.set("a.t", "refused"),
  "a driver that throws": ({ world }) => world.faults.ensure = new Error("ip is missing"),
  "a publisher that throws": ({ world }) => world.faults.publish = new Error("disk full"),
};

for (const [name, change] of Object.entries(CHANGES)) {
  Deno.test(`a full round follows ${name}`, async () => {
    const machine = await idleMachine();
    const { ensured, published } = machine.world.revisions;
    change(machine);
    assert.equal(await machine.pollIsFull(), true);
    assert.ok(machine.world.revisions.ensured > ensured);
    assert.ok(machine.world.revisions.published > published);
  });
}

Deno.test("refusals of the API and reasons of names that stay the same lead to no full round", async () => {
  const machine = new Machine();
  machine.list({ refused: [REFUSED] });
  machine.world.unpublished.set("a.t", "line 2 gives this name an address too");
  await machine.pollIsFull();
  machine.list({ refused: [{ ...REFUSED }] });
  assert.equal(await machine.pollIsFull(), false);
  assert.deepEqual(machine.loop.refusals.refused, [REFUSED]);
  assert.match(machine.loop.outcomes[0]!.reason, /^line 2/);
});

const FAULTS: Record<string, (world: FakeWorld) => void> = {
  "a listener that cannot be opened": (world) => world.unbindable.set("127.107.0.2:80", "not_available"),
  "a state that cannot be saved": (world) => world.faults.save = new Error("disk full"),
};

for (const [name, fault] of Object.entries(FAULTS)) {
  Deno.test(`${name} is retried in each round`, async () => {
    const machine = new Machine();
    fault(machine.world);
    for (let round = 0; round < 3; round++) assert.equal(await machine.pollIsFull(), true);
  });
}

Deno.test("an idle round tries the own ports of remapped endpoints; a free one leads to a full round", async () => {
  const machine = new Machine();
  const { world, loop } = machine;
  machine.list(found("http://a.t", "http://b.t"));
  world.heldPorts.add(80);
  assert.equal(await machine.pollIsFull(), true);
  for (let poll = 0; poll < 3; poll++) {
    world.bindAttempts.length = 0;
    assert.equal(await machine.pollIsFull(), false);
    assert.deepEqual(world.bindAttempts.sort(), ["127.107.0.2:80", "127.107.0.3:80"]);
    assert.deepEqual(loop.outcomes.map(({ route }) => route!.localPort), [9080, 9080]);
  }
  world.heldPorts.clear();
  assert.equal(await machine.pollIsFull(), true);
  assert.deepEqual(loop.outcomes.map(({ route }) => route!.localPort), [80, 80]);
});

Deno.test("an idle round tries 16 of thousands of own ports that are in use", async () => {
  const machine = new Machine();
  const { world } = machine;
  machine.list({ endpoints: endpoints(...Array.from({ length: 2000 }, (_, index) => `http://e${index}.t`)) });
  world.heldPorts.add(80);
  assert.equal(await machine.pollIsFull(), true);
  world.bindAttempts.length = 0;
  assert.equal(await machine.pollIsFull(), false);
  assert.equal(new Set(world.bindAttempts).size, 16);
});

// Each idle poll of 8,000 such endpoints once took seconds.
Deno.test("an endpoint without a free extra port leads to no full round", async () => {
  const machine = new Machine();
  machine.set({ listenInterface: "0.0.0.0", startPort: 65535, resolveInterface: (name) => name });
  machine.list(found("http://a.t:8080", "http://b.t:8080"));
  assert.equal(await machine.pollIsFull(), true);
  assert.match(machine.loop.outcomes[1]!.reason, /^no port for IP addresses and localhost/);
  assert.equal(await machine.pollIsFull(), false);
});

Deno.test("an idle round clears an error of the round before", async () => {
  const machine = await idleMachine();
  const { loop, interfaces } = machine;
  machine.set({
    resolveInterface: () => {
      throw new Error("no interfaces");
    },
  });
  await loop.reconcile();
  assert.equal(loop.roundError, "no interfaces");
  machine.set({ resolveInterface: (name) => interfaces.get(name) });
  await loop.reconcile();
  assert.equal(loop.roundError, undefined);
});
