import { FILE_ROWS, type FileRow } from "./file_rows.ts";

const BEGIN = "<!-- Hostile files: written by deno task docs -->\n";
const END = "<!-- End of hostile files -->\n";
const HEAD = "| path | is | ngrokd | words |\n|---|---|---|---|\n";
const ANSWERS: Readonly<Record<FileRow["answer"], string>> = {
  serves: "reports it and serves all endpoints",
  runs: "reports it and serves what does not need it",
  refuses: "does not start, with the reason",
};

/** The hostile files and directories as a Markdown table. */
export function fileTable(): string {
  const rows = FILE_ROWS.map(({ path, is, answer, says }) =>
    `| \`${path}\` | ${is} | ${ANSWERS[answer]} | "…${says}…" |\n`
  );
  return HEAD + rows.join("");
}

/** The text of docs/reliability.md with the table between its markers. */
export function withFileTable(text: string): string {
  return withTable(text, { begin: BEGIN, end: END, table: fileTable() });
}

/**
 * The text with a table between its markers.
 *
 * @throws {SyntaxError} If the document does not hold both markers once.
 */
export function withTable(
  text: string,
  { begin, end, table }: { readonly begin: string; readonly end: string; readonly table: string },
): string {
  const [before, rest, ...more] = text.split(begin);
  const [, after, ...others] = rest?.split(end) ?? [];
  if (after === undefined || more.length > 0 || others.length > 0) {
    throw new SyntaxError("Cannot write the table: the document does not hold both markers once");
  }
  return before + begin + table + end + after;
}
