import assert from "node:assert/strict";
import { type ForwardClient, type ForwardSlot, ForwardSlots } from "../../src/dns/forward_slots.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";

/** Slots under a fake clock, with the holders that still have theirs. */
class TestedSlots {
  readonly open: { holder: unknown; slot: ForwardSlot }[] = [];
  readonly #slots = new ForwardSlots();
  readonly #time: FakeClock;

  constructor(time: FakeClock) {
    this.#time = time;
  }

  /** Takes slots, and returns how many there were. */
  async take(count: number, client: ForwardClient): Promise<number> {
    let taken = 0;
    for (let index = 0; index < count; index++) {
      const slot = this.#slots.take(client);
      if (slot === undefined) continue;
      taken++;
      const entry = { holder: client.holder, slot };
      this.open.push(entry);
      void slot.lost.then(() => this.open.splice(this.open.indexOf(entry), 1));
    }
    await this.#time.pass(0);
    return taken;
  }

  /** The number of slots that a holder has. */
  count(holder: unknown): number {
    return this.open.filter((entry) => entry.holder === holder).length;
  }
}

function neighbour(holder: string): ForwardClient {
  return { holder, isLocal: false, isUdp: true };
}

function program(holder: number): ForwardClient {
  return { holder, isLocal: true, isUdp: true };
}

function connection(holder: object): ForwardClient {
  return { holder, isLocal: true, isUdp: false };
}

Deno.test("ForwardSlots has 1,024 slots, 768 for other machines and 64 for each of them (R21)", async () => {
  using time = fakeClock();
  const slots = new TestedSlots(time);
  assert.equal(await slots.take(1152, neighbour("192.168.1.1")), 64);
  for (let host = 2; host <= 12; host++) {
    assert.equal(await slots.take(64, neighbour(`192.168.1.${host}`)), 64);
  }
  assert.equal(slots.open.length, 768);
  assert.equal(await slots.take(1, neighbour("192.168.1.13")), 1, "somebody with 64 lost one");
  assert.equal(slots.open.length, 768);
  assert.equal(await slots.take(300, program(1)), 256);
  assert.equal(slots.open.length, 1024);
});

Deno.test("ForwardSlots ends the oldest query of all, or of a client with more than 16 (R79)", async () => {
  using time = fakeClock();
  const slots = new TestedSlots(time);
  /** Forged senders: every query has another one. */
  const flood = async (network: number, count: number) => {
    for (let sent = 0; sent < count; sent++) {
      await slots.take(1, neighbour(`10.${network}.${sent >> 8}.${sent & 255}`));
    }
  };
  await flood(0, 768);
  assert.equal(await slots.take(2, neighbour("honest")), 2);
  assert.deepEqual([slots.count("10.0.0.1"), slots.count("10.0.0.2"), slots.count("honest")], [0, 1, 2]);
  await flood(1, 766);
  assert.equal(slots.count("honest"), 2, "766 newer queries do not end them");
  await flood(2, 2);
  assert.equal(slots.count("honest"), 0);
  await slots.take(64, neighbour("greedy"));
  assert.equal(slots.count("greedy"), 17, "it is the biggest now, and its queries are new");
  await slots.take(10, neighbour("modest"));
  assert.deepEqual([slots.count("greedy"), slots.count("modest")], [16, 10]);
  assert.equal(slots.open.length, 768);
});

Deno.test("ForwardSlots ends a query for a newer one of its own holder after 200 ms only (R79)", async () => {
  using time = fakeClock();
  const slots = new TestedSlots(time);
  const greedy = neighbour("192.168.1.1");
  assert.equal(await slots.take(65, greedy), 64);
  await time.pass(199);
  assert.equal(await slots.take(1, greedy), 0);
  await time.pass(1);
  assert.deepEqual([await slots.take(65, greedy), slots.count(greedy.holder)], [64, 64]);
});

Deno.test("ForwardSlots lets one TCP connection or UDP port of this machine starve no other (R79)", async () => {
  using time = fakeClock();
  const slots = new TestedSlots(time);
  const greedy = [{}, {}].map(connection);
  for (const client of greedy) await slots.take(600, client);
  assert.equal(slots.open.length, 1024);
  await time.pass(200);
  assert.equal(await slots.take(1, greedy[0]!), 0, "a client that uses TCP waits for its replies");
  for (const client of [program(5000), connection({}), neighbour("192.168.1.1")]) {
    assert.equal(await slots.take(1, client), 1);
    assert.equal(slots.count(client.holder), 1);
  }
  assert.equal(slots.open.length, 1024);
});

Deno.test("ForwardSlots keeps a query for slots / rate, whoever sends the flood (R79)", async () => {
  const victim = neighbour("192.168.1.7");
  for (
    const [senders, perSecond, livesMs] of [
      [[victim], 200, 320],
      [Array.from({ length: 256 }, (_, index) => neighbour(`10.9.${index}.7`)), 600, 1280],
    ] as const
  ) {
    using time = fakeClock();
    const slots = new ForwardSlots();
    let sent = 0;
    const flood = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 5) {
        for (let count = 0; count < perSecond / 200; count++) slots.take(senders[sent++ % senders.length]!);
        await time.pass(5);
      }
    };
    await flood(3000);
    let isLost = false;
    void slots.take(victim)!.lost.then(() => isLost = true);
    await flood(livesMs - 20);
    assert.equal(isLost, false);
    await flood(40);
    assert.equal(isLost, true);
  }
});
