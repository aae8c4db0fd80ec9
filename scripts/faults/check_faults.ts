import { rowsOf, type RowTest } from "./find_tests.ts";
import type { FaultRow } from "./rows.ts";

const MAX_MISSING = 3;

/** The page that shows each row with its tests. */
export function renderFaults(rows: readonly FaultRow[], tests: readonly RowTest[]): string {
  const lines = rows.map((row) => {
    const { id, fault, answer, missing } = row;
    const shown = testsOf(row, tests).map(({ name, file }) => `${escape(name)} ([${file}](../${file}))`);
    if (missing !== undefined) shown.push(`**Missing here: ${missing}**`);
    if (shown.length === 0) shown.push("**No test**");
    return `| ${[id, escape(fault), escape(answer), shown.join("<br>")].join(" | ")} |`;
  });
  return [
    "# Faults",
    "",
    "What goes wrong, what ngrokd does about it, and the tests that show it.",
    "",
    "`deno task faults` makes this page from `scripts/faults/rows.ts` and the names of the tests: the name of a test that shows a row",
    "ends in it, `(F2)` or `(F9, F10)`. `deno task check` fails if the page is old, if a row has no test, or if a test names a row that is",
    "not here. A row whose fault cannot be made on the machines of CI names what is missing there: three such rows at most, and only",
    "their tests may be skipped.",
    "",
    "| row | fault | what ngrokd does | shown by |",
    "| --- | --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}

/** Everything that is wrong between rows and tests, one sentence each; empty if nothing is. */
export function checkRows(rows: readonly FaultRow[], tests: readonly RowTest[]): string[] {
  const known = new Set<string>(rows.map(({ id }) => id));
  const missing = rows.filter((row) => row.missing !== undefined).map(({ id }) => id);
  return [
    ...rows.filter((row) => row.missing === undefined && testsOf(row, tests).length === 0)
      .map(({ id, fault }) => `${id} has no test and names no missing facility: ${fault}`),
    ...(missing.length > MAX_MISSING
      ? [`${missing.join(", ")} miss a facility: ${MAX_MISSING} rows at most may`]
      : []),
    ...tests.flatMap(({ name, file, rows }) =>
      rows.filter((id) => !known.has(id)).map((id) => `${file}: "${name}" names ${id}, which is no row`)
    ),
  ];
}

/** The tests that a run has skipped though all they need is there, by name; `log` is what the test runner printed. */
export function findWrongSkips(rows: readonly FaultRow[], log: string): string[] {
  const missing = new Set<string>(rows.filter((row) => row.missing !== undefined).map(({ id }) => id));
  // deno-lint-ignore no-control-regex
  const plain = log.replace(/\x1b\[[0-9;]*m/g, "");
  const skipped = [...plain.matchAll(/^(?:\S+ => )?(.*) \.\.\. ignored(?: \(.*\))?$/gm)].map((match) =>
    match[1]!
  );
  return [...new Set(skipped)].filter((name) => {
    const shown = rowsOf(name);
    return shown.length === 0 || !shown.every((id) => missing.has(id));
  });
}

function testsOf(row: FaultRow, tests: readonly RowTest[]): RowTest[] {
  return tests.filter(({ rows }) => rows.includes(row.id));
}

/** For a cell of a table. */
function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("|", "\\|").replaceAll("`", "\\`")
    .replaceAll("*", "\\*");
}
