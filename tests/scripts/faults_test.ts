import assert from "node:assert/strict";
import { checkNames, checkRows, checkSkips, renderFaults } from "../../scripts/faults/check_faults.ts";
import { readReport, type ReportedTest } from "../../scripts/faults/read_report.ts";
import { type FaultRow, ROWS } from "../../scripts/faults/rows.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const SHOWN: FaultRow = { id: "F1", fault: "A | b <c>", answer: "Nothing `breaks`" };
const UNTESTED: FaultRow = { id: "F2", fault: "It rains", answer: "We wait" };
const MISSING: FaultRow = { ...UNTESTED, missing: "an umbrella" };

function reported(name: string, rows: string[], skipped = false): ReportedTest {
  return { name, file: "tests/a_test.ts", rows, skipped };
}

async function reportOf(source: string): Promise<string> {
  await using directory = await temporaryDirectory();
  await Deno.writeTextFile(`${directory.path}/a_test.ts`, source);
  const args = ["test", "--no-config", "--no-lock", "--quiet", "--junit-path=r.xml", "a_test.ts"];
  await new Deno.Command(Deno.execPath(), { args, cwd: directory.path }).output();
  return await Deno.readTextFile(`${directory.path}/r.xml`);
}

Deno.test("readReport() reads names, rows and skips from the report of a real test run", async () => {
  const xml = await reportOf(`
    Deno.test("shows <two> & \\"more\\" (F1, F22)", async (t) => { await t.step("part (F3)", () => {}); });
    for (const row of ["F4", "F5"]) Deno.test(\`loop of \${row} (\${row})\`, () => {});
    Deno.test({ name: "skipped (F6) (skipped: needs root, and (really) namespaces)", ignore: true, fn() {} });
    Deno.test("fails (F7)", () => { throw new Error("on purpose"); });
    Deno.test("in (F8) the middle", () => {});
    Deno.test("wrong form (F8,F9)", () => {});`);
  const file = "a_test.ts";
  assert.deepEqual(readReport(xml), [
    { name: 'shows <two> & "more"', file, rows: ["F1", "F22"], skipped: false },
    { name: "loop of F4", file, rows: ["F4"], skipped: false },
    { name: "loop of F5", file, rows: ["F5"], skipped: false },
    { name: "skipped", file, rows: ["F6"], skipped: true },
    { name: "fails", file, rows: ["F7"], skipped: false },
    { name: "in (F8) the middle", file, rows: [], skipped: false },
    { name: "wrong form (F8,F9)", file, rows: [], skipped: false },
  ]);
  assert.deepEqual(readReport(""), []);
});

Deno.test("renderFaults() lists each row with its tests and their files", () => {
  const tests = [reported("x | y", ["F1"]), reported("z", ["F2", "F1"])];
  const page = (rows: FaultRow[], all = tests) =>
    renderFaults(rows, all).split("\n").filter((line) => /^\| F/.test(line));
  assert.deepEqual(page([SHOWN]), [
    "| F1 | A \\| b &lt;c> | Nothing \\`breaks\\` | x \\| y ([tests/a_test.ts](../tests/a_test.ts))<br>z ([tests/a_test.ts](../tests/a_test.ts)) |",
  ]);
  assert.deepEqual(page([UNTESTED], []), ["| F2 | It rains | We wait | **No test** |"]);
  assert.deepEqual(page([MISSING], []), ["| F2 | It rains | We wait | **Missing here: an umbrella** |"]);
});

Deno.test("checkRows() reports a row without a test and a fourth row with a missing facility", () => {
  const tests = [reported("x", ["F1"])];
  assert.deepEqual(checkRows([SHOWN, MISSING], tests), []);
  assert.deepEqual(checkRows([SHOWN, UNTESTED], tests), [
    "F2 has no test and names no missing facility: It rains",
  ]);
  const four = (["F2", "F3", "F4", "F5"] as const).map((id): FaultRow => ({ ...MISSING, id }));
  assert.deepEqual(checkRows(four.slice(0, 3), []), []);
  assert.deepEqual(checkRows(four, []), ["F2, F3, F4, F5 name a missing facility: at most 3 rows may"]);
});

Deno.test("checkNames() reports a test that names an unknown row", () => {
  assert.deepEqual(checkNames([SHOWN], [reported("x", ["F1"]), reported("y", ["F1", "F99"])]), [
    'tests/a_test.ts: "y" names F99, which is not a row',
  ]);
});

Deno.test("checkSkips() allows a skipped test only if all its rows name a missing facility", () => {
  const tests = [
    reported("fine", ["F2"], true),
    reported("half", ["F1", "F2"], true),
    reported("no row", [], true),
    reported("run", ["F1"]),
  ];
  const skips = (rows: FaultRow[]) =>
    checkSkips(rows, tests).map((problem) => /"(.*)" was/.exec(problem)?.[1]);
  assert.deepEqual(skips([SHOWN, MISSING]), ["half", "no row"]);
  assert.deepEqual(skips([SHOWN, UNTESTED]), ["fine", "half", "no row"]);
});

Deno.test("the rows of the fault table are in ascending order, each once", () => {
  const numbers = ROWS.map(({ id }) => Number(id.slice(1)));
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
});

Deno.test("deno task faults --names exits with 1 only for an unknown row or an empty report", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/junit.xml`;
  const xml = (name: string) => `<testcase name="${name}" classname="./a_test.ts" time="0">\n</testcase>`;
  for (const [text, code] of [[xml("a (F1)"), 0], [xml("a (F999)"), 1], ["", 1]] as const) {
    await Deno.writeTextFile(path, text);
    const args = ["run", "-P=scripts", "--no-prompt", "--no-check", "scripts/faults.ts", "--names", path];
    const cwd = new URL("../../", import.meta.url);
    const { code: ended, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd }).output();
    assert.equal(ended, code, new TextDecoder().decode(stderr));
  }
});
