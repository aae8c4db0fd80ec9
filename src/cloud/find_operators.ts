import { ApiError } from "../model/errors.ts";
import type { ApiClient } from "./client.ts";
import { hintFor } from "./hints.ts";
import { OPERATOR_PAGE } from "./schemas.ts";

const MAX_PAGES = 50;
const ACTION = "look for this daemon's operator";

/**
 * The ids of the account's operators whose metadata holds the mark.
 *
 * @throws {ApiError} Also if the list cannot be read to its end: then nobody knows.
 */
export async function findOperators(
  client: ApiClient,
  mark: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<readonly string[]> {
  let target: string | null | undefined = "/kubernetes_operators?limit=100";
  const seen = new Set<string>();
  const found = new Set<string>();
  while (target) {
    if (seen.has(target) || seen.size === MAX_PAGES) throw unreadable("page_loop");
    seen.add(target);
    const answer = await client.request("GET", target, { action: ACTION, signal: options.signal });
    const parsed = OPERATOR_PAGE.safeParse(answer);
    if (!parsed.success) throw unreadable("malformed");
    for (const { id, metadata } of parsed.data.operators) if (metadata.includes(mark)) found.add(id);
    const next: string | null | undefined = parsed.data.next_page_uri;
    target = next?.startsWith("?") ? `/kubernetes_operators${next}` : next;
  }
  return [...found];
}

function unreadable(code: string): ApiError {
  return new ApiError(`Cannot ${ACTION}: the answer is not a list of operators`, {
    status: 200,
    code,
    hint: hintFor({ status: 200, code }),
  });
}
