// Renews certificates of five lives a hundred times each, with the API up and with it down for half the window, through the real
// loop, account, store and API client against the simulated cloud, in faked time.
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { emptyFifths, LIVES, runRenewal } from "../account/renewal_runs.ts";

const RUNS = 100;
/** So many renewals leave a fifth of the first tenth empty once in a thousand million. */
const MIN_TO_JUDGE_SPREAD = 100;

async function main(): Promise<number> {
  const [firstSeed = 1, runs = RUNS, ...rest] = Deno.args.map(Number);
  if (rest.length > 0 || !Number.isSafeInteger(firstSeed) || !(runs >= 1)) {
    writeErr("Usage: deno task renewals [SEED [RUNS]]\n");
    return 2;
  }
  await using cloud = await SimulatedCloud.start({ now: () => Date.now() });
  let bad = 0;
  for (const [name, lifeMs] of LIVES) {
    for (const down of [false, true]) {
      const startedAt = performance.now();
      const what = `${name}, API ${down ? "down for half the window" : "up"}`;
      const starts: number[] = [];
      let good = 0;
      for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
        const run = await runRenewal(cloud, { lifeMs, seed, down, daemons: 1 });
        for (const problem of run.problems) writeErr(`Problem: ${what}, seed ${seed}: ${problem}\n`);
        if (run.problems.length === 0) good++;
        starts.push(...run.starts);
      }
      bad += runs - good;
      if (!down && starts.length >= MIN_TO_JUDGE_SPREAD && emptyFifths(starts).length > 0) {
        bad++;
        writeErr(`Problem: ${what}: no renewal in the fifths ${emptyFifths(starts)} of the first tenth\n`);
      }
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      writeOut(`${what.padEnd(44)} ${good} of ${runs}, ${seconds} s\n`);
    }
  }
  return bad === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
