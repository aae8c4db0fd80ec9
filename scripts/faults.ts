// Checks that the tests of the last run show every fault, and writes build/faults.md.
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { checkNames, checkRows, checkSkips, renderFaults } from "./faults/check_faults.ts";
import { readReport } from "./faults/read_report.ts";
import { ROWS } from "./faults/rows.ts";

const FOLDER = new URL("../build/", import.meta.url);
const USAGE = `Usage: deno task faults [--names] [REPORT]

Reads the JUnit report of a test run (default build/junit.xml, which deno task test writes).
With --names it only checks that the rows which tests name exist: for a run of some of the tests.
`;

async function main(): Promise<number> {
  const isPartial = Deno.args[0] === "--names";
  const [report, ...rest] = isPartial ? Deno.args.slice(1) : Deno.args;
  if (rest.length > 0 || report?.startsWith("-")) {
    writeErr(USAGE);
    return 2;
  }
  const path = report ?? decodeURIComponent(new URL("junit.xml", FOLDER).pathname);
  const tests = readReport(await Deno.readTextFile(path));
  const problems = checkNames(ROWS, tests);
  if (!isPartial) {
    problems.push(...checkRows(ROWS, tests), ...checkSkips(ROWS, tests));
    await Deno.mkdir(FOLDER, { recursive: true });
    await Deno.writeTextFile(new URL("faults.md", FOLDER), renderFaults(ROWS, tests));
  }
  if (tests.length === 0) problems.push(`Cannot check the faults: ${path} holds no test`);
  for (const problem of problems) writeErr(`${problem}\n`);
  writeOut(`${ROWS.length} rows, ${tests.length} tests, ${problems.length} problems\n`);
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
