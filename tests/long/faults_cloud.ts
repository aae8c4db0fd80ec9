// Runs the daemon against every fault and switch of the simulated cloud, and writes
// build/cloud-faults.md. Usage: deno task faults:cloud [--only TEXT]
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { allCases, type Case } from "./faults_cloud/cases.ts";
import { renderPage } from "./faults_cloud/page.ts";
import { type Observation, runCase } from "./faults_cloud/run_case.ts";
import { reportProblems } from "./task.ts";

const FOLDER = new URL("../../build/", import.meta.url);
const USAGE = `Usage: deno task faults:cloud [--only TEXT]

  --only TEXT  run the cases whose moment and title contain this text, and
               print the page instead of writing it
`;
/** Most cases wait for a timeout, so several run at the same time. */
const PARALLEL = 6;

async function main(): Promise<number> {
  const [option, text] = Deno.args;
  const isOnly = option === "--only" && text !== undefined && Deno.args.length === 2;
  if (!isOnly && Deno.args.length > 0) {
    writeErr(USAGE);
    return 2;
  }
  const start = Date.now();
  const cases = allCases().filter((each) => !isOnly || nameOf(each).includes(text));
  const observations = await runAll(cases);
  // A busy machine can miss a time limit of the test itself, so a failed case runs again, alone.
  for (const [at, { case: failed, problems }] of observations.entries()) {
    if (problems.length === 0) continue;
    writeOut(`Running again: ${nameOf(failed)}: ${problems.join("; ")}\n`);
    observations[at] = await runCase(failed);
  }
  const page = renderPage(observations);
  if (isOnly) writeOut(page);
  else {
    await Deno.mkdir(FOLDER, { recursive: true });
    await Deno.writeTextFile(new URL("cloud-faults.md", FOLDER), page);
  }
  const problems = observations.flatMap((observation) =>
    observation.problems.map((problem) => `${nameOf(observation.case)}: ${problem}`)
  );
  const seconds = Math.round((Date.now() - start) / 1000);
  writeOut(`Ran ${cases.length} faults and switches in ${seconds} s: ${problems.length} problems\n`);
  if (cases.length === 0) problems.push("no case contains this text");
  return reportProblems(problems);
}

function nameOf({ moment, title }: Case): string {
  return `${moment} ${title}`;
}

async function runAll(cases: readonly Case[]): Promise<Observation[]> {
  const observations: Observation[] = [];
  let next = 0;
  async function work(): Promise<void> {
    for (let at = next++; at < cases.length; at = next++) observations[at] = await runCase(cases[at]!);
  }
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return observations;
}

if (import.meta.main) Deno.exit(await main());
