import { FILE_ROWS, type FileRow } from "./file_rows.ts";

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
