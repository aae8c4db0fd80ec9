/** The text with a table between its markers. @throws {SyntaxError} If it lacks them. */
export function withTable(text: string, { name, table, task = "docs" }: GeneratedTable): string {
  const begin = `<!-- ${name}: written by deno task ${task} -->\n`;
  const end = `<!-- End of ${name.toLowerCase()} -->\n`;
  const [before, rest, ...more] = text.split(begin);
  const [, after, ...others] = rest?.split(end) ?? [];
  if (after === undefined || more.length > 0 || others.length > 0) {
    throw new SyntaxError(`Cannot write the table "${name}": the document does not hold both markers once`);
  }
  return before + begin + table + end + after;
}

/** A table of a document that a task writes. */
export interface GeneratedTable {
  /** The name in its markers. */
  readonly name: string;
  /** Markdown lines. */
  readonly table: string;
  /** The task that writes it. @default {"docs"} */
  readonly task?: string;
}
