import type { ApiClient } from "./client.ts";
import { listOperators } from "./list_operators.ts";

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
  const operators = await listOperators(client, { action: ACTION, maxPages: MAX_PAGES, ...options });
  return operators.filter(({ metadata }) => metadata.includes(mark)).map(({ id }) => id);
}
