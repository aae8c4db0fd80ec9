import type { z } from "zod";
import { printable } from "../lib/printable.ts";
import {
  type Endpoint,
  type EndpointUrl,
  parseEndpointUrl,
  type RefusedEndpoint,
} from "../model/endpoint.ts";
import { ApiError } from "../model/errors.ts";
import type { ApiClient } from "./client.ts";
import { hintFor } from "./hints.ts";
import { pathOf } from "./operator.ts";
import { type ENDPOINT, ENDPOINT_PAGE } from "./schemas.ts";

/** What an operator is bound to, in the order of the API (newest first). */
export interface BoundEndpoints {
  readonly endpoints: readonly Endpoint[];
  readonly refused: readonly RefusedEndpoint[];
  /** How many requests it took. */
  readonly pages: number;
}

/** How a list is asked for. */
export interface ListOptions {
  readonly signal?: AbortSignal | undefined;
  /** Awaited before each page; what it throws ends the listing. @default {Every page at once} */
  readonly takeTurn?: () => Promise<void>;
  /** Endpoints of an earlier list, by id: those that are as they were are given back as they are. */
  readonly known?: ReadonlyMap<string, Endpoint>;
}

interface Found {
  readonly endpoints: Endpoint[];
  readonly refused: RefusedEndpoint[];
  readonly ids: Set<string>;
}

type Entry = z.infer<typeof ENDPOINT>;

const ACTION = "list the bound endpoints";
const MAX_PAGES = 200;
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
  const { signal, takeTurn = () => Promise.resolve(), known = new Map() } = options;
  const first = `${pathOf(operatorId)}/bound_endpoints`;
  const found: Found = { endpoints: [], refused: [], ids: new Set() };
  const seen = new Set<string>();
  let target: string | undefined = first;
  let pages = 0;
  while (target !== undefined) {
    if (pages === MAX_PAGES) throw pageError(`there are more than ${MAX_PAGES} pages`, "page_loop");
    await takeTurn();
    const page = ENDPOINT_PAGE.safeParse(await client.request("GET", target, { action: ACTION, signal }));
    pages++;
    if (!page.success) throw pageError("the answer is not a page of endpoints", "malformed");
    const { endpoints, next_page_uri: next } = page.data;
    if (endpoints.length === 0) break;
    const content = JSON.stringify(endpoints.map((entry) => entry.id).sort());
    if (seen.has(content)) throw pageError("a page repeats", "page_loop");
    seen.add(content).add(target);
    readPage(endpoints, found, known);
    target = next?.startsWith("?") ? first + next : next || undefined;
    if (target !== undefined && seen.has(target)) {
      throw pageError("the next page is one that was read", "page_loop");
    }
  }
  return { endpoints: found.endpoints, refused: found.refused, pages };
}

function readPage(
  entries: readonly Entry[],
  found: Found,
  known: ReadonlyMap<string, Endpoint>,
): void {
  const { endpoints, refused, ids } = found;
  for (const { id, url: current, public_url } of entries) {
    const url = current || public_url;
    if (id !== "" && ids.has(id)) continue;
    ids.add(id);
    const same = known.get(id);
    if (same?.url === url) {
      endpoints.push(same);
      continue;
    }
    const read = readUrl(id, url);
    if (typeof read === "string") refused.push({ id: printable(id), url: printable(url), reason: read });
    else endpoints.push({ id, url, ...read });
  }
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
