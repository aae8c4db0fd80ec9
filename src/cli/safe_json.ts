import { escapeControls } from "../lib/printable.ts";

/**
 * Renders JSON over several lines, indented by two spaces, without a character that is unsafe on a
 * terminal.
 */
export function safeJson(value: unknown): string {
  return JSON.stringify(value, null, 2).split("\n").map(escapeControls).join("\n");
}
