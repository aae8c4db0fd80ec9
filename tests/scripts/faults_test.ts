import assert from "node:assert/strict";
import { checkRows, findWrongSkips, renderFaults } from "../../scripts/faults/check_faults.ts";
import { findRowTests, rowsOf } from "../../scripts/faults/find_tests.ts";
import { type FaultRow, ROWS } from "../../scripts/faults/rows.ts";

/** In pieces, so that this file shows no row itself. */
const TEST = "Deno." + "test";

const SHOWN: FaultRow = { id: "F1", fault: "A | b <c>", answer: "Nothing `breaks`" };
const OPEN: FaultRow = { id: "F2", fault: "It rains", answer: "We wait" };
const MISSING: FaultRow = { ...OPEN, missing: "an umbrella" };

function names(...lines: string[]): [string, string[]][] {
  return findRowTests("tests/a_test.ts", lines.join("\n")).map(({ name, rows }) => [name, [...rows]]);
}

Deno.test("findRowTests() finds names as strings, templates and in objects, alone or in loops and other functions", () => {
  const found = names(
    `${TEST}("a \\"quoted\\" name (F1)", () => {});`,
    `${TEST}('with "double" quotes (F1, F2)', () => {});`,
    `  ${TEST}(\`in a \${kind("x")} of \${a ? \`b\` : "c"} (F3)\`, async () => {`,
    `for (const a of all) ${TEST}(\`of a loop \${a} (F4)\`, () => {});`,
    `${TEST}({`,
    `  ignore: true,`,
    `  name:`,
    `    "in an object (F5)",`,
    `${TEST}({ name: \`on one line (F6)\${REASON}\`, fn });`,
    `testRoot(`,
    `  "by a function (F7)",`,
    `);`,
  );
  assert.deepEqual(found, [
    ['a "quoted" name', ["F1"]],
    ['with "double" quotes', ["F1", "F2"]],
    ["in a … of …", ["F3"]],
    ["of a loop …", ["F4"]],
    ["in an object", ["F5"]],
    ["on one line", ["F6"]],
    ["by a function", ["F7"]],
  ]);
});

Deno.test("findRowTests() finds nothing in comments, in other strings, in tests that are turned off, or where rows stand elsewhere", () => {
  const found = names(
    `// ${TEST}("a comment (F1)", () => {});`,
    ` * ${TEST}("a comment (F1)", () => {});`,
    `const text = "not a test (F1)";`,
    `assert.equal(source, '${TEST}("quoted (F1)")');`,
    `${TEST}.ignore("turned off (F1)", () => {});`,
    `${TEST}("F1: at the start", () => {});`,
    `${TEST}("in (F1) the middle", () => {});`,
    `${TEST}("wrong form (F1 and F2)", () => {});`,
    `${TEST}("wrong form (F1,F2)", () => {});`,
    `${TEST}("no row", () => {});`,
  );
  assert.deepEqual(found, []);
});

Deno.test("rowsOf() reads what the test runner prints, with or without a reason for skipping", () => {
  assert.deepEqual(rowsOf("a (b) c (F1, F22)"), ["F1", "F22"]);
  assert.deepEqual(rowsOf("a (F1) (skipped: needs root, and (really) namespaces)"), ["F1"]);
  assert.deepEqual(rowsOf("a (F1) (slow)"), []);
  assert.deepEqual(rowsOf("a"), []);
});

Deno.test("renderFaults() shows each row with its tests and their files, and a row without one", () => {
  const tests = [
    { name: "x | y", file: "tests/a_test.ts", rows: ["F1"] },
    { name: "z", file: "tests/b_test.ts", rows: ["F2", "F1"] },
  ];
  const page = (rows: FaultRow[], all = tests) =>
    renderFaults(rows, all).split("\n").filter((line) => /^\| F/.test(line));
  assert.deepEqual(page([SHOWN]), [
    "| F1 | A \\| b &lt;c> | Nothing \\`breaks\\` | x \\| y ([tests/a_test.ts](../tests/a_test.ts))<br>z ([tests/b_test.ts](../tests/b_test.ts)) |",
  ]);
  assert.deepEqual(page([OPEN], []), ["| F2 | It rains | We wait | **No test** |"]);
  assert.deepEqual(page([MISSING], []), ["| F2 | It rains | We wait | **Missing here: an umbrella** |"]);
});

Deno.test("checkRows() reports a row without a test, a row that is not known, and a fourth that misses a facility", () => {
  const tests = [{ name: "x", file: "tests/a_test.ts", rows: ["F1"] }];
  assert.deepEqual(checkRows([SHOWN, MISSING], tests), []);
  assert.deepEqual(checkRows([SHOWN, OPEN], tests), [
    "F2 has no test and names no missing facility: It rains",
  ]);
  assert.deepEqual(checkRows([SHOWN], [...tests, { ...tests[0]!, rows: ["F1", "F99"] }]), [
    'tests/a_test.ts: "x" names F99, which is no row',
  ]);
  const four = (["F2", "F3", "F4", "F5"] as const).map((id): FaultRow => ({ ...MISSING, id }));
  assert.deepEqual(checkRows(four.slice(0, 3), []), []);
  assert.deepEqual(checkRows(four, []), ["F2, F3, F4, F5 miss a facility: 3 rows at most may"]);
});

Deno.test("findWrongSkips() lets only tests be skipped whose rows all miss a facility, in every form that the runner prints", () => {
  const log = [
    "./tests/a_test.ts => fine (F2) ... \u001b[0m\u001b[33mignored\u001b[0m \u001b[38;5;245m(0ms)\u001b[0m",
    "fine (F2) (skipped: no umbrella) ... ignored (0ms)",
    "no row ... ignored (0ms)",
    "\u001b[38;5;245m./tests/b_test.ts => \u001b[0mhalf (F1, F2) ... ignored (3ms)",
    "./tests/c_test.ts => half (F1, F2) ... ignored",
    "other (F1) ... ok (1ms)",
    "ok | 1 passed | 0 failed | 5 ignored (14ms)",
  ].join("\n");
  assert.deepEqual(findWrongSkips([SHOWN, MISSING], log), ["no row", "half (F1, F2)"]);
  assert.deepEqual(findWrongSkips([SHOWN, OPEN], log).length, 4);
});

Deno.test("ROWS are in the order of their numbers, each once", () => {
  const numbers = ROWS.map(({ id }) => Number(id.slice(1)));
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
});

Deno.test("deno task faults --skipped ends with 1 and the name for a log with a test that was skipped, and else with 0", async () => {
  const log = await Deno.makeTempFile();
  try {
    for (
      const [text, code] of [["a ... ok (1ms)\n", 0], ["b\n./t.ts => c d ... ignored (0ms)\n", 1]] as const
    ) {
      await Deno.writeTextFile(log, text);
      const { code: ended, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-P=scripts", "--no-prompt", "--no-check", "scripts/faults.ts", "--skipped", log],
        cwd: new URL("../../", import.meta.url),
      }).output();
      const printed = new TextDecoder().decode(stderr);
      assert.equal(ended, code, printed);
      assert.equal(printed.includes("though no row allows it: c d\n"), code === 1);
    }
  } finally {
    await Deno.remove(log);
  }
});
