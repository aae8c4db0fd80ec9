import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import type { RefusedEndpoint } from "../../src/model/endpoint.ts";
import type { SavedState } from "../../src/sync/effects.ts";
import { SyncLoop } from "../../src/sync/loop.ts";
import type { RoundInput } from "../../src/sync/round.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";

const NEVER = new AbortController().signal;
const EMPTY: SavedState = { leases: new Map(), ports: new Map(), endpoints: undefined };
const REFUSED = { id: "ep_x", url: "ftp://x", reason: "the scheme is not known" };

type Settings = { -readonly [Key in keyof RoundInput["settings"]]: RoundInput["settings"][Key] };

/** A loop whose polls give the same list; a whole round saves the state, a look at what stands does not. */
class Setting {
  readonly world = new FakeWorld();
  readonly places = new Map([["eth0", "192.0.2.1"]]);
  readonly settings: Settings = {
    subnet: parseCidr("127.107.0.0/16")!,
    listenInterface: "virtual",
    overrides: { "c.t": "eth0" },
    resolveInterface: (name) => this.places.get(name),
    startPort: 9080,
  };
  list = endpoints("http://a.t", "http://b.t", "http://c.t");
  refused: RefusedEndpoint[] = [];
  readonly loop = new SyncLoop({
    poll: () => Promise.resolve({ endpoints: this.list, refused: this.refused, pages: 1 }),
    effects: this.world,
    saved: EMPTY,
    settings: () => ({ ...this.settings }),
    intervalMs: () => 30_000,
  });

  /** Polls; gives whether it took a whole round. */
  async wholeRound(): Promise<boolean> {
    const before = this.world.saves.length;
    await this.loop.poll(NEVER);
    return this.world.saves.length > before;
  }
}

async function steady(): Promise<Setting> {
  const setting = new Setting();
  assert.equal(await setting.wholeRound(), true);
  assert.equal(await setting.wholeRound(), false);
  return setting;
}

Deno.test("a round that would change nothing is a look at addresses, listeners and names", async () => {
  const { loop, world } = await steady();
  const { outcomes } = loop;
  world.ensured = [];
  world.published = new Map();
  await loop.poll(NEVER);
  assert.deepEqual(world.ensured, ["127.107.0.2", "127.107.0.3"]);
  assert.deepEqual([...world.published.keys()], ["a.t", "b.t"]);
  assert.equal(loop.outcomes, outcomes);
});

const CHANGES: Record<string, (setting: Setting) => void> = {
  "another list": (setting) => setting.list = endpoints("http://a.t"),
  "another refusal by the API": (setting) => setting.refused = [REFUSED],
  "another subnet": ({ settings }) => settings.subnet = parseCidr("127.108.0.0/16")!,
  "a wider subnet": ({ settings }) => settings.subnet = parseCidr("127.107.0.0/15")!,
  "another interface": ({ settings }) => settings.listenInterface = "eth0",
  "other overrides": ({ settings }) => settings.overrides = {},
  "another first spare port": ({ settings }) => settings.startPort = 9090,
  "another address of an interface": ({ places }) => void places.set("eth0", "192.0.2.2"),
  "an interface that is gone": ({ places }) => void places.delete("eth0"),
  "other refused names": ({ settings }) =>
    settings.refuseName = (name) => name === "a.t" ? "reserved" : undefined,
  "a listener that is gone": ({ world }) => void world.open.delete("127.107.0.2:80"),
  "a listener too many": ({ world }) => void world.open.add("127.107.0.9:80"),
  "an address that is gone": ({ world }) => void world.missing.set("127.107.0.3", "no such address"),
  "a name that does not resolve": ({ world }) => void world.unpublished.set("a.t", "refused"),
  "a driver that throws": ({ world }) => world.faults.ensure = new Error("ip is missing"),
  "a publisher that throws": ({ world }) => world.faults.publish = new Error("disk full"),
};

for (const [name, change] of Object.entries(CHANGES)) {
  Deno.test(`${name} takes a whole round`, async () => {
    const setting = await steady();
    change(setting);
    assert.equal(await setting.wholeRound(), true);
  });
}

Deno.test("the same refusals of the API, and the same reasons of names, take no whole round", async () => {
  const setting = new Setting();
  setting.refused = [REFUSED];
  setting.world.unpublished.set("a.t", "line 2 gives this name an address too");
  await setting.wholeRound();
  setting.refused = [{ ...REFUSED }];
  assert.equal(await setting.wholeRound(), false);
  assert.deepEqual(setting.loop.refused, [REFUSED]);
  assert.match(setting.loop.outcomes[0]!.reason, /^line 2/);
});

Deno.test("what could not be done is tried again at each round: a listener, the state", async () => {
  const faults: ((world: FakeWorld) => void)[] = [
    (world) => world.unbindable.set("127.107.0.2:80", "not_available"),
    (world) => world.faults.save = new Error("disk full"),
  ];
  for (const fault of faults) {
    const setting = new Setting();
    fault(setting.world);
    for (let round = 0; round < 3; round++) assert.equal(await setting.wholeRound(), true);
  }
});

Deno.test("an own port that was in use is tried at each look, and taken by a whole round once it is free", async () => {
  const setting = new Setting();
  const { world, loop } = setting;
  for (const place of ["127.107.0.2:80", "127.107.0.3:80"]) world.unbindable.set(place, "in_use");
  assert.equal(await setting.wholeRound(), true);
  for (let look = 0; look < 3; look++) {
    world.bindTries.length = 0;
    assert.equal(await setting.wholeRound(), false);
    assert.deepEqual(world.bindTries.sort(), ["127.107.0.2:80", "127.107.0.3:80"]);
    assert.deepEqual(loop.outcomes.map(({ route }) => route!.localPort), [9080, 9080, 80]);
  }
  world.unbindable.delete("127.107.0.3:80");
  assert.equal(await setting.wholeRound(), true);
  assert.deepEqual(loop.outcomes.map(({ route }) => route!.localPort), [9080, 80, 80]);
});

Deno.test("thousands of own ports in use cost a look at 16 of them", async () => {
  const setting = new Setting();
  const { world } = setting;
  setting.list = endpoints(...Array.from({ length: 2000 }, (_, index) => `http://e${index}.t`));
  for (let host = 2; host < 2002; host++) {
    world.unbindable.set(`127.107.${host >> 8}.${host & 255}:80`, "in_use");
  }
  assert.equal(await setting.wholeRound(), true);
  world.bindTries.length = 0;
  assert.equal(await setting.wholeRound(), false);
  assert.equal(new Set(world.bindTries).size, 16);
});

Deno.test("an error that lies between two rounds that change nothing is not shown for ever", async () => {
  const { loop, settings } = await steady();
  const { resolveInterface } = settings;
  settings.resolveInterface = () => {
    throw new Error("no interfaces");
  };
  await loop.reconcile();
  assert.equal(loop.roundError, "no interfaces");
  settings.resolveInterface = resolveInterface;
  await loop.reconcile();
  assert.equal(loop.roundError, undefined);
});
