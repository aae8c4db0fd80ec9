// Makes build/faults.md: every fault, what ngrokd does about it, and the tests that show it. With --check it changes nothing and fails where
// rows and tests do not agree; with --skipped it reads what the test runner printed and fails on a test that must not be skipped.
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { checkRows, findWrongSkips, renderFaults } from "./faults/check_faults.ts";
import { findRowTests } from "./faults/find_tests.ts";
import { ROWS } from "./faults/rows.ts";
import { listSources } from "./list_sources.ts";

const ROOT = new URL("../", import.meta.url);
const FOLDER = new URL("build/", ROOT);
const PAGE = new URL("faults.md", FOLDER);
const USAGE = "Usage: deno task faults [--check | --skipped FILE]\n";

async function main(): Promise<number> {
  const [option, path, ...rest] = Deno.args;
  if (option === "--skipped" && path !== undefined && rest.length === 0) {
    const skipped = findWrongSkips(ROWS, await Deno.readTextFile(path));
    return report(skipped.map((name) => `Skipped, though no row allows it: ${name}`));
  }
  if (path !== undefined || (option !== undefined && option !== "--check")) {
    writeErr(USAGE);
    return 2;
  }
  const files = await listSources(ROOT, ["tests/"]);
  const sources = files.map(async (file) => findRowTests(file, await Deno.readTextFile(new URL(file, ROOT))));
  const tests = (await Promise.all(sources)).flat();
  const page = renderFaults(ROWS, tests);
  if (option === undefined) {
    await Deno.mkdir(FOLDER, { recursive: true });
    await Deno.writeTextFile(PAGE, page);
  }
  const problems = checkRows(ROWS, tests);
  writeOut(`${ROWS.length} rows, ${tests.length} tests, ${problems.length} problems\n`);
  return report(problems);
}

function report(problems: readonly string[]): number {
  for (const problem of problems) writeErr(`${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
