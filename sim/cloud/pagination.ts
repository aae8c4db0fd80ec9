import { numberedFailure } from "./errors.ts";

/** One page of a list, newest first, and the link to the next one. */
export interface Page<T> {
  items: T[];
  /** The absolute URL of the list, without a query. */
  uri: string;
  /** The absolute URL of the next page, with a given `limit`; null on the last page. */
  nextPageUri: string | null;
}

const MAX_LIMIT = 100;

/**
 * Cuts a page by `limit` (1 to 100, default 100) and `before_id` (docs/protocol.md 1.2.4).
 *
 * @param newestFirst All items, newest first.
 * @throws {ApiFailure} If a query parameter is repeated (232), unknown (231) or invalid (233, 244).
 */
export function cutPage<T extends { id: string }>(
  newestFirst: Iterable<T>,
  options: { url: URL; also?: readonly string[] },
): Page<T> {
  const { url, also = [] } = options;
  const seen = new Set<string>();
  for (const name of url.searchParams.keys()) {
    if (seen.has(name)) throw numberedFailure(232, `Query parameter ${name} is repeated.`);
    if (!["limit", "before_id", ...also].includes(name)) {
      throw numberedFailure(231, `Query parameter ${name} is unknown.`);
    }
    seen.add(name);
  }
  const limitText = url.searchParams.get("limit");
  if (limitText !== null && !/^-?\d+$/.test(limitText)) {
    throw numberedFailure(244, `The limit ${JSON.stringify(limitText)} is not a number.`);
  }
  const limit = Number(limitText ?? MAX_LIMIT);
  if (limit < 1 || limit > MAX_LIMIT) {
    throw numberedFailure(233, `The limit must be between 1 and ${MAX_LIMIT}.`);
  }
  const beforeId = url.searchParams.get("before_id");
  const items: T[] = [];
  let more = false;
  for (const item of newestFirst) {
    if (beforeId !== null && item.id >= beforeId) continue;
    if (items.length === limit) {
      more = true;
      break;
    }
    items.push(item);
  }
  const uri = url.origin + url.pathname;
  if (!more) return { items, uri, nextPageUri: null };
  const next = new URL(url);
  next.searchParams.set("before_id", items.at(-1)?.id ?? "");
  return { items, uri, nextPageUri: next.href };
}
