import { JsonLimits } from "./json_limits.ts";

/**
 * Parses JSON; undefined if the text is none, or is nested deeper than {@linkcode JsonLimits}
 * allow.
 */
export function parseJson(text: string): unknown {
  return new JsonLimits().read(text) === undefined ? parseChecked(text) : undefined;
}

/**
 * Parses JSON whose limits were checked; undefined if the text is none. The error is dropped,
 * because it quotes the text.
 */
export function parseChecked(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
