import type { ReportedTest } from "./read_report.ts";
import type { FaultRow } from "./rows.ts";

const MAX_MISSING = 3;

/** Renders the table of all faults, each with the tests that show it, as Markdown. */
export function renderFaults(rows: readonly FaultRow[], tests: readonly ReportedTest[]): string {
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
    "Each fault, how ngrokd behaves, and the tests that show it. `deno task faults` writes this file from `scripts/faults/rows.ts`",
    "and the report of the last `deno task test`.",
    "",
    "| row | fault | behaviour | shown by |",
    "| --- | --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}

/**
 * Returns one sentence for each row without a test, and for each row missing a facility beyond the
 * third.
 */
export function checkRows(rows: readonly FaultRow[], tests: readonly ReportedTest[]): string[] {
  const missing = rows.filter((row) => row.missing !== undefined).map(({ id }) => id);
  return [
    ...rows.filter((row) => row.missing === undefined && testsOf(row, tests).length === 0)
      .map(({ id, fault }) => `${id} has no test and names no missing facility: ${fault}`),
    ...(missing.length > MAX_MISSING
      ? [`${missing.join(", ")} name a missing facility: at most ${MAX_MISSING} rows may`]
      : []),
  ];
}

/** Returns one sentence for each test that names a row which does not exist. */
export function checkNames(rows: readonly FaultRow[], tests: readonly ReportedTest[]): string[] {
  const known = new Set<string>(rows.map(({ id }) => id));
  return tests.flatMap(({ name, file, rows: shown }) =>
    shown.filter((id) => !known.has(id)).map((id) => `${file}: "${name}" names ${id}, which is not a row`)
  );
}

/**
 * Returns one sentence for each skipped test, unless every row that it shows names a missing
 * facility.
 */
export function checkSkips(rows: readonly FaultRow[], tests: readonly ReportedTest[]): string[] {
  const missing = new Set<string>(rows.filter((row) => row.missing !== undefined).map(({ id }) => id));
  return tests
    .filter(({ skipped, rows: shown }) =>
      skipped && !(shown.length > 0 && shown.every((id) => missing.has(id)))
    )
    .map(({ name, file }) => `${file}: "${name}" was skipped, and no row allows that`);
}

function testsOf(row: FaultRow, tests: readonly ReportedTest[]): ReportedTest[] {
  return tests.filter(({ rows }) => rows.includes(row.id));
}

/** Escapes text for a cell of a Markdown table. */
function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("|", "\\|").replaceAll("`", "\\`")
    .replaceAll("*", "\\*");
}
