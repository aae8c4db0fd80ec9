// Renews certificates of five lives a hundred times each, with the API up and with it down for half the window, through the real loop,
// account, store and API client against the simulated cloud, in faked time; and pairs of daemons that registered in one second.
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { LIVES, runRenewal } from "../account/renewal_runs.ts";

const RUNS = 100;

async function main(): Promise<number> {
  const [firstSeed = 1, runs = RUNS, ...rest] = Deno.args.map(Number);
  if (rest.length > 0 || !Number.isSafeInteger(firstSeed) || !(runs >= 1)) {
    writeErr("Usage: deno task renewals [SEED [RUNS]]\n");
    return 2;
  }
  await using cloud = await SimulatedCloud.start({ now: () => Date.now() });
  let bad = 0;
  for (const daemons of [1, 2]) {
    for (const [name, lifeMs] of daemons === 1 ? LIVES : LIVES.slice(-1)) {
      for (const down of [false, true]) {
        const startedAt = performance.now();
        let good = 0;
        for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
          const problems = await runRenewal(cloud, { lifeMs, seed, down, daemons });
          for (const problem of problems) writeErr(`Problem: ${name}, seed ${seed}: ${problem}\n`);
          if (problems.length === 0) good++;
        }
        bad += runs - good;
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
        const what = `${daemons} ${daemons === 1 ? "daemon" : "daemons"}, ${name}, API ${
          down ? "down for half the window" : "up"
        }`;
        writeOut(`${what.padEnd(54)} ${good} of ${runs}, ${seconds} s\n`);
      }
    }
  }
  return bad === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
