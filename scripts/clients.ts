// Runs the tests with real clients and writes their results into docs/compatibility.md. With
// --check it compares with the report of a finished test run instead.
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { clientRows, clientTable } from "./clients/client_table.ts";
import { readReport } from "./faults/read_report.ts";
import { withTable } from "./with_table.ts";

const ROOT = new URL("../", import.meta.url);
const DOCUMENT = new URL("docs/compatibility.md", ROOT);
const RUN_REPORT = "build/junit_clients.xml";
const CHECK_REPORT = "build/junit.xml";
const USAGE = `Usage: deno task clients, or deno task clients --check [REPORT]

Runs the tests with real clients, as root, and writes the table of clients into docs/compatibility.md.
With --check it only compares the table with a JUnit report (default ${CHECK_REPORT}, which deno task test
writes).
`;

async function main(): Promise<number> {
  const [option, report = CHECK_REPORT, ...rest] = Deno.args;
  const isCheck = option === "--check";
  if (rest.length > 0 || (option !== undefined && !isCheck)) {
    writeErr(USAGE);
    return 2;
  }
  if (!isCheck && !await runTests()) {
    writeErr("Cannot write the table of clients: a test failed\n");
    return 1;
  }
  const rows = clientRows(readReport(await Deno.readTextFile(new URL(isCheck ? report : RUN_REPORT, ROOT))));
  const skipped = rows.filter((row) => row.skipped);
  if (rows.length === 0 || skipped.length > 0) {
    writeErr(
      `Cannot read the table of clients: ${rows.length} results, ${skipped.length} of them skipped: run deno task ${
        isCheck ? "test" : "clients"
      } as root first\n`,
    );
    return 1;
  }
  const text = await Deno.readTextFile(DOCUMENT);
  const wanted = withTable(text, { name: "Clients", table: clientTable(rows), task: "clients" });
  if (isCheck && wanted !== text) {
    writeErr("docs/compatibility.md differs from the test report: run deno task clients\n");
    return 1;
  }
  if (wanted !== text) await Deno.writeTextFile(DOCUMENT, wanted);
  writeOut(`${rows.length} results of ${new Set(rows.map(({ client }) => client)).size} clients\n`);
  return 0;
}

async function runTests(): Promise<boolean> {
  const { success } = await new Deno.Command("deno", {
    args: ["test", "-P=test", "--no-prompt", "--parallel", `--junit-path=${RUN_REPORT}`, "tests/clients"],
    cwd: ROOT,
    env: { DENO_JOBS: "2" },
  }).spawn().status;
  return success;
}

if (import.meta.main) Deno.exit(await main());
