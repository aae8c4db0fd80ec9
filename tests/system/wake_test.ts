import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { Wake } from "../../src/system/wake.ts";

const START = Date.UTC(2026, 7, 1);

interface World {
  readonly clock: FakeTimers.Clock;
  networks: string[];
  wakes: number;
}

async function inFakeTime(task: (world: World) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ now: START });
  const world: World = { clock, networks: ["192.168.1.7"], wakes: 0 };
  const stop = new AbortController();
  try {
    const wake = new Wake({ networks: () => world.networks, onWake: () => world.wakes++ });
    const running = wake.run(stop.signal);
    await clock.tickAsync(20_000);
    assert.equal(world.wakes, 0, "nothing has changed yet");
    await task(world);
    stop.abort();
    await running;
    assert.equal(clock.countTimers(), 0, "no timer is left");
  } finally {
    clock.uninstall();
  }
}

Deno.test("Wake notices a sleep and a clock that was set back, once each and within seconds (F20)", async () => {
  await inFakeTime(async (world) => {
    world.clock.setSystemTime(Date.now() + 3_600_000);
    await world.clock.tickAsync(4_000);
    assert.equal(world.wakes, 1);
    await world.clock.tickAsync(60_000);
    assert.equal(world.wakes, 1);
    world.clock.setSystemTime(Date.now() - 600_000);
    await world.clock.tickAsync(4_000);
    assert.equal(world.wakes, 2);
  });
});

Deno.test("Wake takes no notice of a clock that NTP corrects by seconds", async () => {
  await inFakeTime(async (world) => {
    world.clock.setSystemTime(Date.now() + 5_000);
    await world.clock.tickAsync(60_000);
    world.clock.setSystemTime(Date.now() - 5_000);
    await world.clock.tickAsync(60_000);
    assert.equal(world.wakes, 0);
  });
});

Deno.test("Wake notices another network, and waits a little until it stands still", async () => {
  await inFakeTime(async (world) => {
    world.networks = ["10.9.8.7"];
    await world.clock.tickAsync(4_000);
    assert.equal(world.wakes, 1);
    await world.clock.tickAsync(10_000);
    for (const networks of [[], ["10.9.8.7"], [], ["10.1.1.1"]]) {
      world.networks = networks;
      await world.clock.tickAsync(1_900);
      assert.equal(world.wakes, 1, "it still changes");
    }
    await world.clock.tickAsync(3_000);
    assert.equal(world.wakes, 2);
    await world.clock.tickAsync(60_000);
    assert.equal(world.wakes, 2);
  });
});

Deno.test("Wake acts within 10 s, and once per 10 s, in a network that never stands still (it waited for ever)", async () => {
  await inFakeTime(async (world) => {
    const times: number[] = [];
    const begun = Date.now();
    for (let second = 0; second < 120; second++) {
      const known = world.wakes;
      world.networks = [`10.0.0.${second}`];
      await world.clock.tickAsync(1_000);
      if (world.wakes > known) times.push(Math.round((Date.now() - begun) / 1000));
    }
    assert.ok(times[0]! <= 10, times.join());
    times.slice(1).forEach((time, index) => assert.equal(time - times[index]!, 10, times.join()));
    assert.equal(times.length, 12);
  });
});

Deno.test("Wake lives with networks that cannot be read", async () => {
  await inFakeTime(async (world) => {
    const known = world.networks;
    Object.defineProperty(world, "networks", {
      get(): never {
        throw new Error("Cannot read the interfaces: so it is");
      },
      configurable: true,
    });
    await world.clock.tickAsync(10_000);
    Object.defineProperty(world, "networks", { value: known, writable: true });
    await world.clock.tickAsync(30_000);
    assert.equal(world.wakes, 0);
    world.networks = ["10.0.0.2"];
    await world.clock.tickAsync(4_000);
    assert.equal(world.wakes, 1);
  });
});
