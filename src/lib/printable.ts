/**
 * C0, DEL, C1, line and paragraph separators, and characters that change the direction of text or
 * are invisible.
 */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Escapes all characters that could forge a line of a log or a table. */
export function escapeControls(text: string): string {
  return text.replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Makes foreign text safe to show: escaped, at most 100 characters. */
export function printable(text: string): string {
  // Cut first, because the text can be very long.
  const safe = escapeControls(text.slice(0, 101));
  return safe.length > 100 ? `${safe.slice(0, 99)}…` : safe;
}
