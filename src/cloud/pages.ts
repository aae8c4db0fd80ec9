import type { ApiClient } from "./client.ts";
import { failure } from "./failure.ts";
import { parseAnswer } from "./parse_answer.ts";
import type { RequestKind } from "./request_budget.ts";

/** All pages of a list stay in memory: 200 of the largest size would take 800 MiB. */
const MAX_TEXT = 64 * 1024 * 1024;

/**
 * Requests a list page by page (docs/protocol.md 1.2.4). `next_page_uri` may be absolute, a path or
 * a query; an empty page, which is yielded too, ends the list.
 *
 * @throws {ApiError} Also `foreign_page` (the next page is on another origin, which is not asked),
 * `page_loop`, `too_many_pages`, `too_large`, `malformed`.
 */
export async function* walkPages<P extends Page>(
  client: ApiClient,
  first: string,
  options: PagesOptions<P>,
): AsyncGenerator<P, void> {
  const { action, maxPages, kinds = ["other", "other"], signal, read, remembered } = options;
  const unusable = (state: string, code: string) => failure(action, state, { status: 200, code });
  const walked: RememberedPages<P> = new Map();
  const keys = new Set<string>();
  let size = 0;
  let pathOrUrl: string | undefined = first;
  while (pathOrUrl !== undefined) {
    if (walked.size === maxPages) throw unusable(`there are more than ${maxPages} pages`, "too_many_pages");
    const last = remembered?.get(pathOrUrl);
    const response = await client.request("GET", pathOrUrl, {
      action,
      kind: kinds[walked.size === 0 ? 0 : 1],
      signal,
      async parse(text) {
        if (text === last?.text) return last;
        const json = await parseAnswer(text, action);
        return json === undefined ? undefined : { text, page: read(json) };
      },
    });
    // A 204 has no text.
    const { text = "", page } = (response ?? {}) as { text?: string; page?: P };
    if (page === undefined) throw unusable("the response is not a page of the list", "malformed");
    size += text.length;
    if (size > MAX_TEXT) throw unusable("its pages are too large together", "too_large");
    if (keys.has(page.key)) throw unusable("a page repeats", "page_loop");
    yield page;
    if (page.key === "") break;
    keys.add(page.key);
    walked.set(pathOrUrl, { text, page });
    pathOrUrl = page.next?.startsWith("?") ? first.split("?")[0] + page.next : page.next || undefined;
    if (pathOrUrl !== undefined && walked.has(pathOrUrl)) {
      throw unusable("the next page was already read", "page_loop");
    }
  }
  remembered?.clear();
  for (const [key, page] of walked) remembered?.set(key, page);
}

/** The {@linkcode Page.key} of a page whose entries have these ids, in any order. */
export function pageKey(ids: readonly string[]): string {
  return ids.length === 0 ? "" : JSON.stringify(ids.toSorted());
}

/** Options of {@linkcode walkPages}. */
export interface PagesOptions<P extends Page> {
  /** The purpose of the requests, as it follows "Cannot" in a message. */
  readonly action: string;
  readonly maxPages: number;
  /** The kinds of the first request and of the others. @default {["other", "other"]} */
  readonly kinds?: readonly [RequestKind, RequestKind];
  readonly signal?: AbortSignal | undefined;
  /** Reads a page from its JSON; undefined if it is not a page of this list. */
  readonly read: (json: unknown) => P | undefined;
  /**
   * A page whose text is the same as in the last list is not read again. Replaced when the walk
   * ends.
   */
  readonly remembered?: RememberedPages<P> | undefined;
}

/** One page of a list. */
export interface Page {
  /** Equal for pages with the same entries, `""` for an empty one: see {@linkcode pageKey}. */
  readonly key: string;
  /** The API's `next_page_uri`. */
  readonly next: string | null | undefined;
}

/** The pages of the last list by their paths or URLs, each with the text that it was read from. */
export type RememberedPages<P extends Page> = Map<string, { readonly text: string; readonly page: P }>;
