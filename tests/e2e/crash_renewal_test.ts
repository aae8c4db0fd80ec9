import assert from "node:assert/strict";
import { crashRegistrations, crashRenewals, type KillCounts } from "../long/crash_renewal.ts";

// `deno task crash:renewal` kills at 200 moments of each.
Deno.test("ngrokd that was killed during a renewal loads a matching pair and keeps its operator (R39)", async () => {
  const { problems, kills } = await crashRenewals(6);
  assert.deepEqual(problems, []);
  assert.equal(sum(kills), 6);
});

Deno.test("ngrokd that was killed during its registration leaves one operator in the cloud (R39)", async () => {
  const { problems, kills } = await crashRegistrations(4);
  assert.deepEqual(problems, []);
  assert.equal(sum(kills), 4);
});

function sum({ before, during, after }: KillCounts): number {
  return before + during + after;
}
