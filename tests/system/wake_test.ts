import assert from "node:assert/strict";
import { Wake } from "../../src/system/wake.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";

/** A machine whose clock and networks a test changes. */
interface World {
  readonly clock: FakeClock;
  readNetworks: () => readonly string[];
  wakes: number;
}

async function inFakeTime(task: (world: World) => Promise<void>): Promise<void> {
  using clock = fakeClock(Date.UTC(2026, 7, 1));
  const world: World = { clock, readNetworks: () => ["192.168.1.7"], wakes: 0 };
  const stop = new AbortController();
  const wake = new Wake({ networks: () => world.readNetworks(), onWake: () => world.wakes++ });
  const running = wake.run(stop.signal);
  await clock.pass(20_000);
  assert.equal(world.wakes, 0, "nothing has changed");
  await task(world);
  stop.abort();
  await running;
  assert.equal(clock.timers(), 0, "no timer is left");
}

Deno.test("Wake reports a sleep and a clock that was set back, once each within 4 s (F20)", async () => {
  await inFakeTime(async (world) => {
    world.clock.setDate(Date.now() + 3_600_000);
    await world.clock.pass(4_000);
    assert.equal(world.wakes, 1);
    await world.clock.pass(60_000);
    assert.equal(world.wakes, 1);
    world.clock.setDate(Date.now() - 600_000);
    await world.clock.pass(4_000);
    assert.equal(world.wakes, 2);
  });
});

Deno.test("Wake ignores a clock that NTP corrects by seconds", async () => {
  await inFakeTime(async (world) => {
    world.clock.setDate(Date.now() + 5_000);
    await world.clock.pass(60_000);
    world.clock.setDate(Date.now() - 5_000);
    await world.clock.pass(60_000);
    assert.equal(world.wakes, 0);
  });
});

Deno.test("Wake reports a change of network once the network is stable", async () => {
  await inFakeTime(async (world) => {
    world.readNetworks = () => ["10.9.8.7"];
    await world.clock.pass(4_000);
    assert.equal(world.wakes, 1);
    await world.clock.pass(10_000);
    for (const networks of [[], ["10.9.8.7"], [], ["10.1.1.1"]]) {
      world.readNetworks = () => networks;
      await world.clock.pass(1_900);
      assert.equal(world.wakes, 1, "the network still changes");
    }
    await world.clock.pass(3_000);
    assert.equal(world.wakes, 2);
    await world.clock.pass(60_000);
    assert.equal(world.wakes, 2);
  });
});

// It once waited for ever.
Deno.test("Wake reports a network that keeps changing within 10 s, and once in 10 s", async () => {
  await inFakeTime(async (world) => {
    const times: number[] = [];
    const startedAt = Date.now();
    for (let second = 0; second < 120; second++) {
      const known = world.wakes;
      world.readNetworks = () => [`10.0.0.${second}`];
      await world.clock.pass(1_000);
      if (world.wakes > known) times.push(Math.round((Date.now() - startedAt) / 1000));
    }
    assert.ok(times[0]! <= 10, times.join());
    times.slice(1).forEach((time, index) => assert.equal(time - times[index]!, 10, times.join()));
    assert.equal(times.length, 12);
  });
});

Deno.test("Wake continues while the networks cannot be read", async () => {
  await inFakeTime(async (world) => {
    const readNetworks = world.readNetworks;
    world.readNetworks = () => {
      throw new Error("Cannot read the interfaces: test");
    };
    await world.clock.pass(10_000);
    world.readNetworks = readNetworks;
    await world.clock.pass(30_000);
    assert.equal(world.wakes, 0);
    world.readNetworks = () => ["10.0.0.2"];
    await world.clock.pass(4_000);
    assert.equal(world.wakes, 1);
  });
});
