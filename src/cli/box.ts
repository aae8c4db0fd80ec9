const WIDTH = 55;

/** Renders the box above the output of a command, and a blank line (docs/compatibility.md 4.11). */
export function box(title: string, leftPadding: number): string {
  const bar = "═".repeat(WIDTH);
  return `╔${bar}╗\n║${(" ".repeat(leftPadding) + title).padEnd(WIDTH)}║\n╚${bar}╝\n\n`;
}
