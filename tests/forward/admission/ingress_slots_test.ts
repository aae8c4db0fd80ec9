import assert from "node:assert/strict";
import { type IngressSlot, IngressSlots } from "../../../src/forward/admission/ingress_slots.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";

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
  await assert.rejects(it.take("17th"), /all 1 connections are in use/);
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

Deno.test("IngressSlots bounds the bytes that all stalled clients together do not take (R76)", async () => {
  using clock = fakeClock();
  await using logged = await captureLog();
  using it = start({ max: 20, maxUnsentBytes: 32 * MIB });
  /** A connection that has moved bytes and waits for a peer that takes no more. */
  async function stall(name: string, mib: number, endpoint: string): Promise<IngressSlot> {
    const slot = await it.take(name, { endpoint });
    slot.writes("out", mib * MIB);
    slot.moved("out", mib * MIB);
    slot.writes("out", 1);
    return slot;
  }
  await it.take("idle", { endpoint: "flood:1" });
  await stall("one of b", 8, "b:1");
  const active = await stall("active", 8, "flood:1");
  for (const name of ["1", "2", "3"]) await stall(name, 4, "flood:1");
  await clock.pass(900);
  assert.deepEqual(it.evicted, []);
  active.moved("out", 1);
  active.writes("out", 1);
  await clock.pass(200);
  assert.deepEqual(it.evicted, ["1", "2", "3"]);
  assert.deepEqual(logged.lines("warning"), [
    "Too many bytes wait for peers that do not read; closing the longest stalled of endpoint flood:1",
  ]);
  await clock.pass(60_000);
  assert.deepEqual(it.evicted, ["1", "2", "3"]);
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
  await clock.pass(1500);
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
