import assert from "node:assert/strict";
import { RepairLimit } from "../../src/names/repair_limit.ts";

const MINUTE = 60_000;

/** Asks once a second; returns the seconds at which a repair was allowed. */
function allowedSeconds(limit: RepairLimit, clock: { ms: number }, durationMs: number): number[] {
  const allowed: number[] = [];
  for (const end = clock.ms + durationMs; clock.ms < end; clock.ms += 1000) {
    if (limit.take()) allowed.push(clock.ms / 1000);
  }
  return allowed;
}

Deno.test("RepairLimit allows 10 repairs at once, then one in 5 minutes while they are needed (F12)", () => {
  const clock = { ms: 0 };
  const limit = new RepairLimit(() => clock.ms);
  assert.deepEqual(allowedSeconds(limit, clock, 60 * MINUTE), [
    ...Array.from({ length: 10 }, (_, second) => second),
    ...Array.from({ length: 11 }, (_, i) => 9 + 300 * (i + 1)),
  ]);
});

Deno.test("RepairLimit starts again after 10 minutes without a repair, not before", () => {
  const clock = { ms: 0 };
  const limit = new RepairLimit(() => clock.ms);
  allowedSeconds(limit, clock, 20_000);
  clock.ms += 10 * MINUTE - 2000;
  assert.equal(allowedSeconds(limit, clock, 20_000).length, 1);
  clock.ms += 10 * MINUTE;
  assert.equal(allowedSeconds(limit, clock, 20_000).length, 10);
});

Deno.test("RepairLimit allows every repair if they are rarer than 10 in 10 minutes", () => {
  const clock = { ms: 0 };
  const limit = new RepairLimit(() => clock.ms);
  for (let i = 0; i < 100; i++, clock.ms += MINUTE) assert.equal(limit.take(), true);
});
