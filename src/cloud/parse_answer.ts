import { JsonLimits } from "../lib/json_limits.ts";
import { parseChecked } from "../lib/parse_json.ts";
import { sleep } from "../system/clock.ts";
import { failure } from "./failure.ts";

/** The most entries of a page, and of any other list or object in an answer of the API. */
const MAX_ENTRIES = 1000;
/** An endpoint has some 35. The parser needs about 30 ms for as many keys. */
const MAX_VALUES = 50_000;
/** The characters that are read in one stretch; it takes less than a millisecond. */
const SLICE = 64 * 1024;

/**
 * Parses an answer of the API; undefined if it is not JSON. Its entries are counted first, in
 * slices between which other work runs: an answer of 4 MiB can hold millions.
 *
 * @throws {ApiError} `too_large` if it exceeds a limit.
 */
export async function parseAnswer(text: string, action: string): Promise<unknown> {
  const limits = new JsonLimits({ maxMembers: MAX_ENTRIES, maxValues: MAX_VALUES });
  for (let start = 0; start < text.length; start += SLICE) {
    if (start > 0) await sleep(0);
    const excess = limits.read(text, { start, end: Math.min(start + SLICE, text.length) });
    if (excess !== undefined) {
      throw failure(action, `the response is too large: ${excess}`, { status: 200, code: "too_large" });
    }
  }
  return parseChecked(text);
}
