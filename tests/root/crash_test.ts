import assert from "node:assert/strict";
import { type Part, runPart } from "../long/crash/run_part.ts";
import { testRoot, testTraced } from "./test_root.ts";

// A small selection: `deno task crash` kills at every call, and at hundreds of moments.
const ONE_CALL = ["write /etc/hosts.ngrokd.tmp 1"];
/** Other tests run at the same time; that task alone holds the limits to the letter. */
const PATIENCE = 5;

/** Demands that so many runs were made, and that nothing was left, broken or late. */
async function shows(part: Part, runs: number): Promise<void> {
  const report = await runPart(part, { patience: PATIENCE });
  assert.deepEqual(report.problems, []);
  assert.equal(report.runs, runs);
}

testTraced(
  "killed after a chosen system call, ngrokd leaves whole files, and cleanup leaves the machine as it was (F1)",
  () => shows({ kind: "sweep", calls: ONE_CALL }, 1),
);

testRoot(
  "killed at random moments, ngrokd starts again and serves every name on its old address (F1, F21)",
  () => shows({ kind: "churn", kills: 3, seed: 1 }, 4),
);

testRoot(
  "SIGTERM while ngrokd starts, once or twice, and twice while a connection is open, ends it soon and leaves nothing (F27)",
  () => shows({ kind: "stops", momentsMs: [250] }, 3),
);

testRoot(
  "of two daemons that start at once exactly one lives, and the other says why not",
  () => shows({ kind: "twins", pairs: 1 }, 2),
);
