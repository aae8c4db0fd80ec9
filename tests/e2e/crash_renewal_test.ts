import assert from "node:assert/strict";
import { crashRegistrations, crashRenewals } from "../long/crash_renewal.ts";

// `deno task crash:renewal` kills at 200 moments of each.
Deno.test("ngrokd that was killed during a renewal loads a matching pair and keeps its operator (R39)", async () => {
  const { problems, fell } = await crashRenewals(6);
  assert.deepEqual(problems, []);
  assert.equal(sum(fell), 6);
});

Deno.test("ngrokd that was killed during its registration leaves one operator in the cloud (R39)", async () => {
  const { problems, fell } = await crashRegistrations(4);
  assert.deepEqual(problems, []);
  assert.equal(sum(fell), 4);
});

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
