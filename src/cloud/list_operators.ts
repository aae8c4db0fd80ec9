import { z } from "zod";
import { ApiError } from "../model/errors.ts";
import type { ApiClient } from "./client.ts";
import { hintFor } from "./hints.ts";
import { OPERATOR_ID } from "./schemas.ts";

const ACTION = "list the operators";
const COLLECTION = "/kubernetes_operators";
const MAX_PAGES = 20;

const PAGE = z.object({
  operators: z.array(z.object({ id: z.string().regex(OPERATOR_ID) })),
  next_page_uri: z.string().nullish(),
});

/**
 * The ids of all operators of the account, newest first (PROTOCOL.md 1.2.4): the whole list or nothing.
 *
 * @throws {ApiError} Also `foreign_page` (the next page is on another origin; it is not asked), `page_loop` and `malformed`.
 */
export async function listOperatorIds(client: ApiClient, signal?: AbortSignal): Promise<readonly string[]> {
  const ids = new Set<string>();
  const seen = new Set<string>();
  let target: string | undefined = COLLECTION;
  while (target !== undefined) {
    if (seen.has(target) || seen.size === MAX_PAGES) throw pageError("the pages do not end", "page_loop");
    seen.add(target);
    const parsed = PAGE.safeParse(await client.request("GET", target, { action: ACTION, signal }));
    if (!parsed.success) throw pageError("the answer is not a page of operators", "malformed");
    const { operators, next_page_uri: next } = parsed.data;
    if (operators.length === 0) break;
    for (const { id } of operators) ids.add(id);
    target = next?.startsWith("?") ? COLLECTION + next : next || undefined;
  }
  return [...ids];
}

function pageError(state: string, code: string): ApiError {
  const status = 200;
  return new ApiError(`Cannot ${ACTION}: ${state}`, { status, code, hint: hintFor({ status, code }) });
}
