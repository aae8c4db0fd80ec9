const WIDTH = 55;

/** The header box over a command's output, and the blank line after it (COMPAT.md 4.11). */
export function box(title: string, leftPadding: number): string {
  const bar = "═".repeat(WIDTH);
  return `╔${bar}╗\n║${(" ".repeat(leftPadding) + title).padEnd(WIDTH)}║\n╚${bar}╝\n\n`;
}
