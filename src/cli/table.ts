const GAP = 2;
const INDENT = "  ";

/**
 * Renders a table with dashes under its head and columns as wide as needed (docs/compatibility.md
 * 4.11).
 */
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

/** A row of cells, with lines below it. */
export interface TableRow {
  readonly cells: readonly string[];
  readonly notes?: readonly string[];
}

/** Returns the width in characters, as the Go daemon counts it. */
function widthOf(text: string): number {
  return [...text].length;
}
