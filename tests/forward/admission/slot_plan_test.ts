import assert from "node:assert/strict";
import { planSlots } from "../../../src/forward/admission/slot_plan.ts";

const MIB = 2 ** 20;

Deno.test("planSlots() derives the slots from the memory limit, between 64 and 2,048", () => {
  const rows: [memoryMib: number, slots: number, unsentMib: number, isTooSmall: boolean][] = [
    [64, 64, 16, true],
    [159, 64, 16, true],
    [160, 64, 16, false],
    [256, 256, 64, false],
    [512, 768, 192, false],
    [1152, 2048, 512, false],
    [6144, 2048, 3008, false],
    [Infinity, 2048, Infinity, false],
  ];
  for (const [memoryMib, slots, unsentMib, isTooSmall] of rows) {
    const plan = { slots, accepted: slots + 2048, unsentBytes: unsentMib * MIB, isTooSmall };
    assert.deepEqual(planSlots(memoryMib * MIB), plan, `${memoryMib} MiB`);
  }
});
