import assert from "node:assert/strict";
import { type Part, runPart } from "../long/crash/run_part.ts";
import { testRoot, testTraced } from "./test_root.ts";

// `deno task crash` kills at every call, and at hundreds of moments.
const ONE_CALL = ["write /etc/hosts.ngrokd.tmp 1"];
/** Other tests run at the same time, so the limits are multiplied. */
const PATIENCE = 5;

/** Demands this number of runs, and that nothing was left, broken or late. */
async function passesRuns(part: Part, runs: number): Promise<void> {
  const report = await runPart(part, { patience: PATIENCE });
  assert.deepEqual(report.problems, []);
  assert.equal(report.runs, runs);
}

testTraced(
  "a kill after a system call leaves whole files, and cleanup restores the machine (F1)",
  () => passesRuns({ kind: "sweep", calls: ONE_CALL }, 1),
);

testRoot(
  "after kills at random moments ngrokd serves every name on its old address (F1, F21)",
  () => passesRuns({ kind: "churn", kills: 3, seed: 1 }, 4),
);

testRoot(
  "SIGTERM at the start, or twice with an open connection, leaves nothing behind (F27)",
  () => passesRuns({ kind: "stops", momentsMs: [250] }, 3),
);

testRoot(
  "of two daemons that start at once one runs, and the other reports why it does not",
  () => passesRuns({ kind: "double_starts", pairs: 1 }, 2),
);
