import type { ApiClient } from "./client.ts";
import { pageKey, walkPages } from "./pages.ts";
import { OPERATOR_PAGE } from "./schemas.ts";

/** Leaves room in the request budget for the registration that may follow. */
const MAX_PAGES_OF_IDS = 20;
const MAX_PAGES_TO_SEARCH = 50;

/**
 * Returns the ids of all operators of the account.
 *
 * @throws {ApiError} Also if the list has no end.
 */
export async function listOperatorIds(client: ApiClient, signal?: AbortSignal): Promise<readonly string[]> {
  const operators = await listOperators(client, {
    action: "list the operators",
    maxPages: MAX_PAGES_OF_IDS,
    signal,
  });
  return operators.map(({ id }) => id);
}

/**
 * Finds the ids of the account's operators whose metadata holds the registration marker.
 *
 * @throws {ApiError} Also if the list has no end.
 */
export async function findOperators(
  client: ApiClient,
  marker: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<readonly string[]> {
  const operators = await listOperators(client, {
    action: "find the operator of this daemon",
    maxPages: MAX_PAGES_TO_SEARCH,
    ...options,
  });
  return operators.filter(({ metadata }) => metadata.includes(marker)).map(({ id }) => id);
}

async function listOperators(
  client: ApiClient,
  options: { action: string; maxPages: number; signal?: AbortSignal | undefined },
): Promise<readonly ListedOperator[]> {
  const listed = new Map<string, ListedOperator>();
  for await (
    const { operators } of walkPages(client, "/kubernetes_operators?limit=100", {
      ...options,
      read: readPage,
    })
  ) {
    for (const operator of operators) listed.set(operator.id, operator);
  }
  return [...listed.values()];
}

function readPage(json: unknown) {
  const { data } = OPERATOR_PAGE.safeParse(json);
  return data && { ...data, next: data.next_page_uri, key: pageKey(data.operators.map(({ id }) => id)) };
}

interface ListedOperator {
  readonly id: string;
  readonly metadata: string;
}
