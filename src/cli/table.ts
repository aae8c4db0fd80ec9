const GAP = 2;
const INDENT = "  ";

/** One row of cells, and lines that stand under it. */
export interface TableRow {
  readonly cells: readonly string[];
  readonly notes?: readonly string[];
}

/** A table with a dashed line under its head; columns as wide as their widest cell (COMPAT.md 4.11). Cells are on one line each. */
export function table(head: readonly string[], rows: readonly TableRow[]): string {
  const all = [head, ...rows.map((row) => row.cells)];
  const widths = head.map((_, column) => Math.max(...all.map((cells) => widthOf(cells[column] ?? ""))));
  function line(cells: readonly string[]): string {
    const padded = cells.map((cell, column) => {
      const fill = column === cells.length - 1 ? 0 : (widths[column] ?? 0) + GAP - widthOf(cell);
      return cell + " ".repeat(fill);
    });
    return `${INDENT}${padded.join("")}\n`;
  }
  const dashes = head.map((title) => "-".repeat(widthOf(title)));
  const body = rows.map((row) =>
    line(row.cells) + (row.notes ?? []).map((note) => `${INDENT}    ${note}\n`).join("")
  );
  return line(head) + line(dashes) + body.join("");
}

/** In characters, as the original counts. */
function widthOf(text: string): number {
  return [...text].length;
}
