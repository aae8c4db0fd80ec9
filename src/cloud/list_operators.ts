import { ApiError } from "../model/errors.ts";
import type { ApiClient } from "./client.ts";
import { hintFor } from "./hints.ts";
import { OPERATOR_PAGE } from "./schemas.ts";

const COLLECTION = "/kubernetes_operators";
/** So many requests leave room in the budget for what the ids are asked for. */
const MAX_PAGES_OF_IDS = 20;

/** What is read of an operator of the account. */
export interface ListedOperator {
  readonly id: string;
  readonly metadata: string;
}

/** How the operators are listed. */
export interface ListOptions {
  /** What for, as it goes on from "Cannot". */
  readonly action: string;
  readonly maxPages: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * All operators of the account, newest first (PROTOCOL.md 1.2.4): the whole list or nothing. An empty page ends it.
 *
 * @throws {ApiError} Also `foreign_page` (the next page is on another origin; it is not asked), `page_loop` and `malformed`.
 */
export async function listOperators(
  client: ApiClient,
  { action, maxPages, signal }: ListOptions,
): Promise<readonly ListedOperator[]> {
  const listed = new Map<string, ListedOperator>();
  const seen = new Set<string>();
  let target: string | undefined = `${COLLECTION}?limit=100`;
  while (target !== undefined) {
    if (seen.has(target) || seen.size === maxPages) {
      throw pageError(action, { state: "the pages do not end", code: "page_loop" });
    }
    seen.add(target);
    const parsed = OPERATOR_PAGE.safeParse(await client.request("GET", target, { action, signal }));
    if (!parsed.success) {
      throw pageError(action, { state: "the answer is not a page of operators", code: "malformed" });
    }
    const { operators, next_page_uri: next } = parsed.data;
    if (operators.length === 0) break;
    for (const operator of operators) listed.set(operator.id, operator);
    target = next?.startsWith("?") ? COLLECTION + next : next || undefined;
  }
  return [...listed.values()];
}

/** The ids of {@linkcode listOperators}. @throws {ApiError} As it does. */
export async function listOperatorIds(client: ApiClient, signal?: AbortSignal): Promise<readonly string[]> {
  const options = { action: "list the operators", maxPages: MAX_PAGES_OF_IDS, signal };
  return (await listOperators(client, options)).map(({ id }) => id);
}

function pageError(action: string, { state, code }: { state: string; code: string }): ApiError {
  const status = 200;
  return new ApiError(`Cannot ${action}: ${state}`, { status, code, hint: hintFor({ status, code }) });
}
