import type { z } from "zod";
import { printable } from "../lib/printable.ts";
import {
  type Endpoint,
  type EndpointUrl,
  parseEndpointUrl,
  type RefusedEndpoint,
} from "../model/endpoint.ts";
import { ApiError } from "../model/errors.ts";
import { type ApiClient, parseJson } from "./client.ts";
import { hintFor } from "./hints.ts";
import { pathOf } from "./operator.ts";
import type { RequestKind } from "./request_budget.ts";
import { type ENDPOINT, ENDPOINT_PAGE } from "./schemas.ts";

/** What an operator is bound to, in the order of the API (newest first). */
export interface BoundEndpoints {
  readonly endpoints: readonly Endpoint[];
  readonly refused: readonly RefusedEndpoint[];
  /** How many requests it took. */
  readonly pages: number;
  /** Whether the last of several pages held nothing. */
  readonly endsEmpty?: boolean;
}

/** How a list is asked for. */
export interface ListOptions {
  readonly signal?: AbortSignal | undefined;
  /** Endpoints of an earlier list, by id: those that are as they were are given back as they are. */
  readonly known?: ReadonlyMap<string, Endpoint>;
  /** The pages of the last list, which this one replaces by its own: one with the same text is not read again. */
  readonly pages?: Map<string, KnownPage>;
}

/** A page, and the text that it was read from. */
export interface KnownPage {
  readonly text: string;
  readonly page: Page;
}

interface Page {
  readonly entries: readonly ReadEntry[];
  /** The same for pages with the same endpoints. */
  readonly content: string;
  readonly next: string | null | undefined;
}

type ReadEntry =
  & { readonly id: string }
  & (
    | { readonly endpoint: Endpoint }
    | { readonly refused: RefusedEndpoint }
  );

const ACTION = "list the bound endpoints";
const MAX_PAGES = 200;
/** All pages of a list stay in memory: 200 as large as one may be would be 3 GiB. */
const MAX_TEXT = 64 * 1024 * 1024;
const ID_FORM = /^[\x21-\x7e]{1,128}$/;

/**
 * Lists the endpoints that an operator is bound to, all pages of them (PROTOCOL.md 1.2.4). It is the whole list or nothing: a page that
 * cannot be trusted rejects it. One bad entry does not; it is refused with a reason. Of several entries with one id the first counts.
 *
 * @throws {ApiError} Also with the codes `foreign_page` (the next page is on another origin; it is not asked) and `page_loop`.
 */
export async function listBoundEndpoints(
  client: ApiClient,
  operatorId: string,
  options: ListOptions = {},
): Promise<BoundEndpoints> {
  const { signal, known = new Map(), pages: memory } = options;
  const first = `${pathOf(operatorId)}/bound_endpoints`;
  const endpoints: Endpoint[] = [];
  const refused: RefusedEndpoint[] = [];
  const ids = new Set<string>();
  const seen = new Set<string>();
  const read = new Map<string, KnownPage>();
  let target: string | undefined = first;
  let pages = 0;
  let size = 0;
  let endsEmpty = false;
  while (target !== undefined) {
    if (pages === MAX_PAGES) throw pageError(`there are more than ${MAX_PAGES} pages`, "page_loop");
    const kind = pages === 0 ? "first_page" : "page";
    const answer = await askPage(client, target, { kind, signal, known, last: memory?.get(target) });
    pages++;
    size += answer.text.length;
    if (size > MAX_TEXT) throw pageError("its pages are too large together", "too_large");
    const { entries, content, next } = answer.page;
    if (entries.length === 0) {
      endsEmpty = pages > 1;
      break;
    }
    if (seen.has(content)) throw pageError("a page repeats", "page_loop");
    seen.add(content).add(target);
    read.set(target, answer);
    for (const entry of entries) {
      if (entry.id !== "" && ids.has(entry.id)) continue;
      ids.add(entry.id);
      if ("endpoint" in entry) endpoints.push(entry.endpoint);
      else refused.push(entry.refused);
    }
    target = next?.startsWith("?") ? first + next : next || undefined;
    if (target !== undefined && seen.has(target)) {
      throw pageError("the next page is one that was read", "page_loop");
    }
  }
  memory?.clear();
  for (const [key, page] of read) memory?.set(key, page);
  return { endpoints, refused, pages, ...(endsEmpty ? { endsEmpty } : {}) };
}

interface AskOptions {
  readonly kind: RequestKind;
  readonly signal: AbortSignal | undefined;
  readonly known: ReadonlyMap<string, Endpoint>;
  readonly last: KnownPage | undefined;
}

async function askPage(client: ApiClient, target: string, options: AskOptions): Promise<KnownPage> {
  const { kind, signal, known, last } = options;
  let text = "";
  const answer = await client.request("GET", target, {
    action: ACTION,
    kind,
    signal,
    parse(body) {
      text = body;
      return body === last?.text ? last : parseJson(body);
    },
  });
  if (last !== undefined && answer === last) return last;
  const parsed = ENDPOINT_PAGE.safeParse(answer);
  if (!parsed.success) throw pageError("the answer is not a page of endpoints", "malformed");
  const { endpoints, next_page_uri: next } = parsed.data;
  const content = JSON.stringify(endpoints.map((entry) => entry.id).sort());
  return { text, page: { entries: endpoints.map((entry) => readEntry(entry, known)), content, next } };
}

function readEntry(entry: z.infer<typeof ENDPOINT>, known: ReadonlyMap<string, Endpoint>): ReadEntry {
  const { id, url: current, public_url } = entry;
  const url = current || public_url;
  const same = known.get(id);
  if (same?.url === url) return { id, endpoint: same };
  const read = readUrl(id, url);
  return typeof read === "string"
    ? { id, refused: { id: printable(id), url: printable(url), reason: read } }
    : { id, endpoint: { id, url, ...read } };
}

/** The parts of the URL, or the reason why the entry is refused. */
function readUrl(id: string, url: string): EndpointUrl | string {
  if (id === "") return "it has no id";
  if (!ID_FORM.test(id)) return "its id is not printable, or too long";
  if (url === "") return "it has no URL";
  try {
    return parseEndpointUrl(url);
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

function pageError(state: string, code: string): ApiError {
  return new ApiError(`Cannot ${ACTION}: ${state}`, {
    status: 200,
    code,
    hint: hintFor({ status: 200, code }),
  });
}
