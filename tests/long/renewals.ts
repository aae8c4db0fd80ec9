// Renews certificates of five lifetimes 100 times each, with the API up and with it down for half
// of the renewal window, through the real account, renewals and API client against the simulated
// cloud, in faked time (docs/reliability.md R37). Usage: deno task renewals [SEED [RUNS]]
import { writeOut } from "../../src/system/terminal.ts";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { emptyFifths, LIVES, runRenewal } from "../account/renewal_runs.ts";
import { readNumbers, reportProblems } from "./task.ts";

const RUNS = 100;
/** With this number of renewals a fifth of the first tenth is empty by chance once in 10^9 runs. */
const MIN_TO_JUDGE_SPREAD = 100;

async function main(): Promise<number> {
  const numbers = readNumbers("renewals [SEED [RUNS]]", [1, RUNS]);
  if (numbers === undefined) return 2;
  const [firstSeed, runs] = numbers;
  await using cloud = await SimulatedCloud.start({ now: () => Date.now() });
  let exitCode = 0;
  for (const [lifetime, lifeMs] of LIVES) {
    for (const down of [false, true]) {
      const startedAt = performance.now();
      const name = `${lifetime}, API ${down ? "down for half of the window" : "up"}`;
      const problems: string[] = [];
      const starts: number[] = [];
      let good = 0;
      for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
        const run = await runRenewal(cloud, { lifeMs, seed, down, daemons: 1 });
        problems.push(...run.problems.map((problem) => `${name}, seed ${seed}: ${problem}`));
        if (run.problems.length === 0) good++;
        starts.push(...run.starts);
      }
      const empty = emptyFifths(starts);
      if (!down && starts.length >= MIN_TO_JUDGE_SPREAD && empty.length > 0) {
        problems.push(`${name}: no renewal began in these fifths of the first tenth of the window: ${empty}`);
      }
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      writeOut(`${name.padEnd(44)} ${good} of ${runs} runs renewed in time, ${seconds} s\n`);
      exitCode = Math.max(exitCode, reportProblems(problems));
    }
  }
  return exitCode;
}

if (import.meta.main) Deno.exit(await main());
