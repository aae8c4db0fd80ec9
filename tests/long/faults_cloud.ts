// Runs the daemon against every fault and switch of the simulated cloud, and writes build/cloud-faults.md.
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { allCases, type Case } from "./faults_cloud/cases.ts";
import { renderPage } from "./faults_cloud/page.ts";
import { type Observation, runCase } from "./faults_cloud/run_case.ts";

const FOLDER = new URL("../../build/", import.meta.url);
const USAGE = "Usage: deno task faults:cloud [--only TEXT]\n";
const SLOTS = 6;

async function main(): Promise<number> {
  const [option, text] = Deno.args;
  const isOnly = option === "--only" && text !== undefined && Deno.args.length === 2;
  if (!isOnly && Deno.args.length > 0) {
    writeErr(USAGE);
    return 2;
  }
  const start = Date.now();
  const cases = allCases().filter((one) => !isOnly || `${one.moment} ${one.title}`.includes(text));
  const seen = await runAll(cases);
  // A busy machine can miss a time limit of the test itself, so a failed case runs once more, alone.
  for (const [at, one] of seen.entries()) {
    if (one.problems.length === 0) continue;
    writeOut(`Once more: ${one.case.moment} ${one.case.title}: ${one.problems.join("; ")}\n`);
    seen[at] = await runCase(one.case, 0);
  }
  const page = renderPage(seen);
  if (isOnly) writeOut(page);
  else {
    await Deno.mkdir(FOLDER, { recursive: true });
    await Deno.writeTextFile(new URL("cloud-faults.md", FOLDER), page);
  }
  const problems = seen.flatMap((one) =>
    one.problems.map((problem) => `${one.case.moment} ${one.case.title}: ${problem}`)
  );
  for (const problem of problems) writeErr(`${problem}\n`);
  const seconds = Math.round((Date.now() - start) / 1000);
  writeOut(`${cases.length} faults and switches in ${seconds} s, ${problems.length} problems\n`);
  return problems.length === 0 && cases.length > 0 ? 0 : 1;
}

/** Runs a few cases at a time, because most of them wait for a timeout. */
async function runAll(cases: readonly Case[]): Promise<Observation[]> {
  const seen: Observation[] = [];
  let next = 0;
  async function work(slot: number): Promise<void> {
    for (let at = next++; at < cases.length; at = next++) seen[at] = await runCase(cases[at]!, slot);
  }
  await Promise.all(Array.from({ length: SLOTS }, (_, slot) => work(slot)));
  return seen;
}

if (import.meta.main) Deno.exit(await main());
