// Makes docs/cloud-faults.md: every fault and switch of the simulated cloud, what the daemon did about it, and what the user reads. With
// --check it changes nothing and fails where the page is not what was seen; --only TEXT runs the cases whose title holds it, and prints them.
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { allCases, type Case } from "./faults_cloud/cases.ts";
import { renderPage, renderRow } from "./faults_cloud/page.ts";
import { type Observation, runCase } from "./faults_cloud/run_case.ts";

const PAGE = new URL("../../docs/cloud-faults.md", import.meta.url);
const USAGE = "Usage: deno task faults:cloud [--check | --only TEXT]\n";
const SLOTS = 6;

async function main(): Promise<number> {
  const [option, text] = Deno.args;
  const isOnly = option === "--only" && text !== undefined && Deno.args.length === 2;
  if (!isOnly && !(Deno.args.length === 0 || (option === "--check" && Deno.args.length === 1))) {
    writeErr(USAGE);
    return 2;
  }
  const start = Date.now();
  const cases = allCases().filter((one) => !isOnly || `${one.moment} ${one.title}`.includes(text));
  const lines = option === "--check"
    ? (await Deno.readTextFile(PAGE).catch(() => "")).split("\n")
    : undefined;
  const seen = await runAll(cases);
  // On a busy machine a limit is reached while its test looks the other way: what differs is looked at once more, alone.
  for (const [at, one] of seen.entries()) {
    if (lines !== undefined && (one.problems.length > 0 || !lines.includes(renderRow(one)))) {
      writeOut(`Once more: ${one.case.moment} ${one.case.title} ${one.problems.join("; ")}\n`);
      seen[at] = await runCase(one.case, 0);
    }
  }
  const problems = seen.flatMap((one) =>
    one.problems.map((problem) => `${one.case.moment} ${one.case.title}: ${problem}`)
  );
  const page = renderPage(seen);
  if (isOnly) writeOut(page);
  else if (option === undefined) await Deno.writeTextFile(PAGE, page);
  else if (lines?.join("\n") !== page) {
    for (const one of seen) {
      if (lines?.includes(renderRow(one)) !== true) problems.push(`The page has no line ${renderRow(one)}`);
    }
    problems.push(
      "docs/cloud-faults.md is not what was seen: run deno task faults:cloud, and look at the difference",
    );
  }
  for (const problem of problems) writeErr(`${problem}\n`);
  const seconds = Math.round((Date.now() - start) / 1000);
  writeOut(`${cases.length} faults and switches in ${seconds} s, ${problems.length} problems\n`);
  return problems.length === 0 ? 0 : 1;
}

/** A few at a time: most of what takes long is waiting for the limit of a time. */
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
