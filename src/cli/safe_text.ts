/**
 * C0, DEL, C1, line and paragraph separators, and characters that change the direction of the text.
 */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * A foreign text on one line of a terminal, not shortened; unsafe characters are shown as `\u001b`.
 */
export function safeText(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/**
 * JSON over several lines, indented by two spaces, without a character that is unsafe on a
 * terminal.
 */
export function safeJson(value: unknown): string {
  return JSON.stringify(value, null, 2).split("\n").map(safeText).join("\n");
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
