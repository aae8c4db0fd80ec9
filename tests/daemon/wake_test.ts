import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { Wake } from "../../src/daemon/wake.ts";

const START = Date.UTC(2026, 7, 1);

interface World {
  readonly clock: FakeTimers.Clock;
  addresses: string[];
  wakes: number;
}

async function inFakeTime(task: (world: World) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ now: START });
  const world: World = { clock, addresses: ["192.168.1.7"], wakes: 0 };
  const stop = new AbortController();
  try {
    const wake = new Wake({ addresses: () => world.addresses, onWake: () => world.wakes++ });
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

Deno.test("Wake notices another address, and waits until a network that flaps stands still", async () => {
  await inFakeTime(async (world) => {
    world.addresses = ["10.9.8.7"];
    await world.clock.tickAsync(4_000);
    assert.equal(world.wakes, 1);
    for (let flap = 0; flap < 100; flap++) {
      world.addresses = flap % 2 === 0 ? [] : ["10.9.8.7"];
      await world.clock.tickAsync(2_000);
    }
    assert.equal(world.wakes, 1);
    await world.clock.tickAsync(4_000);
    assert.equal(world.wakes, 2);
  });
});

Deno.test("Wake lives with addresses that cannot be read, and with their order", async () => {
  await inFakeTime(async (world) => {
    world.addresses = ["10.0.0.2", "10.0.0.1"];
    await world.clock.tickAsync(4_000);
    world.addresses = ["10.0.0.1", "10.0.0.2"];
    await world.clock.tickAsync(30_000);
    assert.equal(world.wakes, 1);
  });
});
