import assert from "node:assert/strict";
import { ConnectionSlots } from "../../../src/forward/admission/connection_slots.ts";

Deno.test("ConnectionSlots never leaks a slot, in whatever order slots are freed", async () => {
  const slots = new ConnectionSlots(4);
  const signal = new AbortController().signal;
  let most = 0;
  async function connection(round: number): Promise<void> {
    using slot = await slots.take(signal);
    most = Math.max(most, slots.inUse);
    for (let tick = 0; tick < round % 5; tick++) await Promise.resolve();
    slot[Symbol.dispose]();
  }
  await Promise.all(Array.from({ length: 360 }, (_, round) => connection(round)));
  assert.equal(slots.inUse, 0);
  assert.equal(most, 4);
  for (let count = 0; count < 4; count++) await slots.take(signal);
  assert.equal(slots.inUse, 4);
});

Deno.test("ConnectionSlots forgets a waiter that is aborted", async () => {
  const slots = new ConnectionSlots(1);
  const held = await slots.take(new AbortController().signal);
  const impatient = new AbortController();
  const waiting = slots.take(impatient.signal);
  impatient.abort(new Error("gave up"));
  await assert.rejects(waiting, /gave up/);
  await assert.rejects(slots.take(impatient.signal), /gave up/);
  const next = slots.take(new AbortController().signal);
  held[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assert.equal(slots.inUse, 0);
});

// 2,100 connections of one client that waited for their dials delayed every other client by 7 s.
Deno.test("ConnectionSlots lets the holders of waiting connections take turns (R74)", async () => {
  const slots = new ConnectionSlots(1);
  const { signal } = new AbortController();
  const held = await slots.take(signal);
  const order: string[] = [];
  const holders = ["flood", "flood", "flood", "honest", "other", "honest"];
  const all = holders.map(async (holder) => {
    using _slot = await slots.take(signal, holder);
    order.push(holder);
  });
  held[Symbol.dispose]();
  await Promise.all(all);
  assert.deepEqual(order, ["flood", "honest", "other", "flood", "honest", "flood"]);
});
