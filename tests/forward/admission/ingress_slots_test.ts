import assert from "node:assert/strict";
import { type IngressSlot, IngressSlots } from "../../../src/forward/admission/ingress_slots.ts";
import { planSlots } from "../../../src/forward/admission/slot_plan.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { type FakeClock, fakeClock } from "../../fakes/fake_clock.ts";

const MIB = 2 ** 20;

interface StartOptions {
  readonly max?: number;
  readonly maxUnsentBytes?: number;
  readonly idleTimeoutMs?: () => number;
}

/** Slots, and the names of the connections that had to give way. */
function start(options: StartOptions = {}) {
  const slots = new IngressSlots({ max: 4, maxUnsentBytes: Infinity, ...options });
  const evicted: string[] = [];
  const open = new Set<IngressSlot>();
  const { signal } = new AbortController();
  async function take(name: string, from: { endpoint?: string; source?: string } = {}): Promise<IngressSlot> {
    const { endpoint = "a:1", source } = from;
    const slot = await slots.take({ endpoint, source, evict: () => void evicted.push(name) }, signal);
    open.add(slot);
    return slot;
  }
  return {
    slots,
    evicted,
    take,
    [Symbol.dispose]() {
      for (const slot of open) slot[Symbol.dispose]();
      assert.equal(slots.inUse, 0);
    },
  };
}

/** Passes time in which a byte moves each half second. */
async function trickle(clock: FakeClock, options: TrickleOptions): Promise<void> {
  const { ms, slots, direction } = options;
  for (let passed = 0; passed < ms; passed += 500) {
    for (const slot of slots) slot.moved(direction, 1);
    await clock.pass(500);
  }
}

interface TrickleOptions {
  readonly ms: number;
  readonly slots: readonly IngressSlot[];
  readonly direction: "in" | "out";
}

// One endpoint with 2,100 idle connections of a local program gave everybody 502.
Deno.test("IngressSlots ends the longest idle connection of the biggest endpoint when full (R74)", async () => {
  using clock = fakeClock();
  using it = start();
  const db = await it.take("db");
  for (const name of ["idle 1", "idle 2", "idle 3"]) await it.take(name, { endpoint: "flood:1" });
  await clock.pass(1000);
  db.moved("out", 1);
  await it.take("new");
  assert.deepEqual(it.evicted, ["idle 1"]);
  await it.take("newer", { endpoint: "other:1" });
  assert.deepEqual(it.evicted, ["idle 1", "idle 2"]);
  assert.equal(it.slots.inUse, 4);
});

Deno.test("IngressSlots counts a network of clients over all endpoints (R74)", async () => {
  using clock = fakeClock();
  using it = start({ max: 6 });
  const [flood, honest] = ["192.168.1.0/24", "192.168.2.0/24"];
  await it.take("honest", { endpoint: "a:1", source: honest });
  await it.take("local", { endpoint: "a:1" });
  for (const endpoint of ["a:1", "b:1", "c:1", "d:1"]) {
    await it.take(`flood ${endpoint}`, { endpoint, source: flood });
  }
  await clock.pass(1000);
  await it.take("new", { endpoint: "e:1", source: honest });
  assert.deepEqual(it.evicted, ["flood a:1"]);
});

Deno.test("IngressSlots ends an active transfer only for a holder of less than half the size (R74)", async () => {
  using clock = fakeClock();
  using it = start();
  const busy = await Promise.all(["1", "2", "3", "4"].map((name) => it.take(name)));
  await clock.pass(1000);
  for (const slot of busy) slot.moved("out", 1);
  const waiting = it.take("same endpoint");
  await clock.pass(400);
  assert.deepEqual(it.evicted, []);
  await it.take("other endpoint", { endpoint: "b:1" });
  assert.deepEqual(it.evicted, ["1"]);
  // The transfer of 2 stands still now, those of 3 and 4 go on.
  for (const slot of busy.slice(2)) slot.moved("out", 1);
  await clock.pass(1100);
  await waiting;
  assert.deepEqual(it.evicted, ["1", "2"]);
});

// The crowd counted for each client of its network, so that none of them got a slot.
Deno.test("IngressSlots serves a neighbour of an active crowd (R74)", async () => {
  const [crowd, other] = ["192.168.1.0/24", "192.168.2.0/24"];
  const rows: [neighbour: { endpoint: string; source?: string }, endpoints: number, source?: string][] = [
    [{ endpoint: "quiet:1", source: crowd }, 1, crowd],
    [{ endpoint: "0:1", source: other }, 1, crowd],
    [{ endpoint: "0:1" }, 1, crowd],
    [{ endpoint: "0:1", source: other }, 64, crowd],
    [{ endpoint: "quiet:1", source: other }, 64],
    [{ endpoint: "quiet:1" }, 1],
  ];
  for (const [neighbour, endpoints, source] of rows) {
    using clock = fakeClock();
    using it = start({ max: 64 });
    const slots = [];
    for (let index = 0; index < 64; index++) {
      slots.push(await it.take("crowd", { endpoint: `${index % endpoints}:1`, ...source && { source } }));
    }
    await trickle(clock, { ms: 1_500, slots, direction: "out" });
    await it.take("neighbour", neighbour);
    assert.deepEqual(it.evicted, ["crowd"]);
  }
});

Deno.test("IngressSlots lets a bounded number wait, and serves the first when a slot is free", async () => {
  using clock = fakeClock();
  using it = start({ max: 1 });
  const busy = await it.take("busy");
  const order: string[] = [];
  const waiting = Array.from({ length: 16 }, async (_, index) => {
    const slot = await it.take(`${index}`);
    order.push(`${index}`);
    slot[Symbol.dispose]();
  });
  assert.equal(it.slots.refusal, undefined);
  await assert.rejects(it.take("17th"), /all 1 connections are in use/);
  assert.match(it.slots.refusal!.error, /all 1 connections are in use/);
  assert.equal(it.slots.refusal!.at, performance.now());
  await clock.pass(400);
  busy[Symbol.dispose]();
  await Promise.all(waiting);
  assert.deepEqual([order[0], order.length], ["0", 16]);
});

Deno.test("IngressSlots names a holder once in each burst", async () => {
  using clock = fakeClock();
  await using logged = await captureLog();
  using it = start();
  const line = "All 4 connections to the ingress are in use; closing the longest idle ones of endpoint a:1";
  async function burst(): Promise<void> {
    for (let count = 0; count < 8; count++) {
      await it.take("flood");
      await clock.pass(1000);
    }
  }
  await burst();
  assert.deepEqual(logged.lines("warning"), [line]);
  await clock.pass(60_000);
  await burst();
  assert.deepEqual(logged.lines("warning"), [line, line]);
});

Deno.test("IngressSlots ends idle connections after net.idle_timeout, which can change (R77)", async () => {
  using clock = fakeClock();
  let idleTimeoutMs = 0;
  using it = start({ idleTimeoutMs: () => idleTimeoutMs });
  const busy = await it.take("busy");
  await it.take("idle");
  await clock.pass(3_600_000);
  assert.deepEqual(it.evicted, []);
  idleTimeoutMs = 10_000;
  busy.moved("in", 1);
  await clock.pass(1000);
  assert.deepEqual(it.evicted, ["idle"]);
  assert.equal(it.slots.inUse, 1);
  await clock.pass(10_000);
  assert.deepEqual(it.evicted, ["idle", "busy"]);
});

Deno.test("IngressSlots gives a slow client at least 30 s before net.idle_timeout ends it (R77)", async () => {
  using clock = fakeClock();
  using it = start({ idleTimeoutMs: () => 1_000 });
  (await it.take("slow")).writes("out", 1);
  await clock.pass(29_500);
  assert.deepEqual(it.evicted, []);
  await clock.pass(1_000);
  assert.deepEqual(it.evicted, ["slow"]);
});

Deno.test("IngressSlots bounds the bytes that all stalled clients together do not take (R76)", async () => {
  using clock = fakeClock();
  await using logged = await captureLog();
  using it = start({ max: 20, maxUnsentBytes: 17 * MIB });
  /** A connection that has moved bytes and waits for a peer that takes no more. */
  async function stall(name: string, mib: number, endpoint: string): Promise<IngressSlot> {
    const slot = await it.take(name, { endpoint });
    slot.writes("out", mib * MIB);
    slot.moved("out", mib * MIB);
    slot.writes("out", 1);
    return slot;
  }
  await it.take("idle", { endpoint: "flood:1" });
  await stall("one of b", 2, "b:1");
  const active = await stall("active", 4, "flood:1");
  const stalled = [];
  for (const name of ["1", "2", "3"]) stalled.push(await stall(name, 2, "flood:1"));
  await trickle(clock, { ms: 29_000, slots: stalled, direction: "in" });
  assert.deepEqual(it.evicted, []);
  active.moved("out", 1);
  active.writes("out", 1);
  await trickle(clock, { ms: 1_500, slots: stalled, direction: "in" });
  assert.deepEqual(it.evicted, ["1", "2"]);
  assert.deepEqual(logged.lines("warning"), [
    "Too many bytes wait for peers that do not read; closing the longest stalled of endpoint flood:1",
  ]);
  await clock.pass(60_000);
  assert.deepEqual(it.evicted, ["1", "2"]);
});

/** A client that reads a steady 300 kB/s, or 1 MB/s, shows progress only so often. */
const PAUSES_MS = [1_500, 5_000];

// A few slow transfers were reset, or closed their endpoint for all others.
Deno.test("IngressSlots neither ends nor refuses for steady slow transfers (R76)", async () => {
  for (const [memoryMib, count] of [[512, 13], [256, 5], [160, 2]] as const) {
    const { slots: max, unsentBytes: maxUnsentBytes } = planSlots(memoryMib * MIB);
    for (const direction of ["in", "out"] as const) {
      for (const pauseMs of PAUSES_MS) {
        using clock = fakeClock();
        using it = start({ max, maxUnsentBytes });
        const transfers = [];
        for (let index = 0; index < count; index++) transfers.push(await it.take(`${index}`));
        for (let ms = 0; ms < 30_000; ms += pauseMs) {
          for (const slot of transfers) {
            slot.moved(direction, 8 * MIB);
            slot.writes(direction, 65_536);
          }
          await clock.pass(pauseMs - 1);
          (await it.take("another"))[Symbol.dispose]();
          await clock.pass(1);
        }
        assert.deepEqual(it.evicted, [], `${direction}, ${memoryMib} MiB, each ${pauseMs} ms`);
        for (const slot of transfers) slot.moved(direction, 65_536);
      }
    }
  }
});

Deno.test("IngressSlots leaves a real client that reads a steady 300 kB/s alone (R76)", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using conn = await listener.accept();
  using clock = fakeClock();
  using it = start({ maxUnsentBytes: 6 * MIB });
  const slot = await it.take("slow");
  const bytes = new Uint8Array(16_384);
  let isOver = false;
  const sending = (async () => {
    while (!isOver) {
      slot.writes("out", bytes.length);
      slot.moved("out", await conn.write(bytes));
    }
  })();
  for (let step = 0; step < 600; step++) {
    for (let read = 0; read < 30_000;) read += (await client.read(bytes))!;
    await clock.pass(100);
  }
  assert.deepEqual(it.evicted, []);
  isOver = true;
  client.close();
  await assert.rejects(sending);
});

// The runtime keeps a closed TLS connection, its descriptor and its memory, as long as the ingress
// does not read.
Deno.test("IngressSlots keeps the slots of stuck uploads, and gives their endpoints no more (R76)", async () => {
  using clock = fakeClock();
  using it = start({ max: 4 });
  const uploads = await Promise.all(["1", "2"].map((name) => it.take(name, { endpoint: "stall:1" })));
  for (const upload of uploads) upload.writes("in", 1);
  await it.take("idle 1");
  await it.take("idle 2");
  await trickle(clock, { ms: 15_000, slots: uploads, direction: "out" });
  const other = await it.take("other", { endpoint: "other:1" });
  assert.deepEqual(it.evicted, ["idle 1"]);
  await assert.rejects(
    it.take("3", { endpoint: "stall:1" }),
    /stall:1: it does not take what its clients send/,
  );
  other[Symbol.dispose]();
  uploads[0]!.moved("in", 1);
  await it.take("3", { endpoint: "stall:1" });
  assert.equal(it.slots.inUse, 4);
  await clock.pass(1500);
  uploads[1]!.moved("in", 1);
  await it.take("4", { endpoint: "stall:1" });
  assert.deepEqual(it.evicted, ["idle 1", "1"]);
});

Deno.test("IngressSlots ends a stuck upload if they have more than half of the slots (R74)", async () => {
  using clock = fakeClock();
  using it = start({ max: 4 });
  for (const name of ["1", "2", "3", "4"]) (await it.take(name, { endpoint: "stall:1" })).writes("in", 1);
  await clock.pass(1500);
  await it.take("honest");
  await it.take("another");
  assert.deepEqual(it.evicted, ["1", "2"]);
  const third = it.take("third");
  await clock.pass(1100);
  await third;
  assert.deepEqual(it.evicted, ["1", "2", "honest"]);
});

// Its slot was free at once, so that a loop of such uploads used up all memory.
Deno.test("IngressSlots keeps the slot of a stalled upload for 10 minutes after its end (R76)", async () => {
  for (const [stalledMs, inUse] of [[14_000, 0], [31_000, 2]] as const) {
    using clock = fakeClock();
    using it = start({ max: 4 });
    const uploads = await Promise.all(["1", "2"].map((name) => it.take(name)));
    for (const upload of uploads) upload.writes("in", 1);
    await clock.pass(stalledMs);
    for (const upload of uploads) upload[Symbol.dispose]();
    assert.equal(it.slots.inUse, inUse);
    if (inUse > 0) await assert.rejects(it.take("more"), /a:1: it does not take what its clients send/);
    await clock.pass(599_000);
    assert.equal(it.slots.inUse, inUse);
    await clock.pass(2_000);
    assert.equal(it.slots.inUse, 0);
    assert.deepEqual(it.evicted, []);
  }
});

Deno.test("IngressSlots ends a stalled download that is a stuck upload, too (R76)", async () => {
  using clock = fakeClock();
  using it = start({ max: 20, maxUnsentBytes: 8 * MIB });
  const slots = await Promise.all(["1", "2"].map((name) => it.take(name)));
  for (const slot of slots) {
    slot.moved("out", 3 * MIB);
    slot.writes("out", 1);
    slot.writes("in", 1);
  }
  await clock.pass(31_000);
  assert.deepEqual(it.evicted, ["1"]);
  slots[1]!.moved("in", 1);
  await clock.pass(601_000);
  assert.equal(it.slots.inUse, 1);
});
