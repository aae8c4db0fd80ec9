import type { z } from "zod";
import { printable } from "../lib/printable.ts";
import type { ListedEndpoints } from "../model/discovery.ts";
import {
  type Endpoint,
  type EndpointUrl,
  parseEndpointUrl,
  type RefusedEndpoint,
} from "../model/endpoint.ts";
import { limitRefused } from "../model/refused.ts";
import type { ApiClient } from "./client.ts";
import { pathOf } from "./operator.ts";
import { type Page, pageKey, type RememberedPages, walkPages } from "./pages.ts";
import { type ENDPOINT, ENDPOINT_PAGE } from "./schemas.ts";

const MAX_PAGES = 200;
/** The longest host name has 253 characters. */
const MAX_URL_LENGTH = 512;
const ID_FORM = /^[\x21-\x7e]{1,128}$/;

/**
 * Lists the endpoints that an operator is bound to, newest first (docs/protocol.md 1.2.4). A page
 * that cannot be trusted rejects the whole list; a bad entry is refused with a reason, and beyond
 * 100 of them only counted. If entries share an id, the first is used, and one with another URL is
 * refused.
 *
 * @throws {ApiError} As {@linkcode walkPages} does.
 */
export async function listBoundEndpoints(
  client: ApiClient,
  operatorId: string,
  options: ListOptions = {},
): Promise<ListedEndpoints> {
  const { signal, known = new Map(), remembered } = options;
  const endpoints: Endpoint[] = [];
  const refused: RefusedEndpoint[] = [];
  const byId = new Map<string, Entry>();
  const repeated = new Set<string>();
  let pages = 0;
  let endsEmpty = false;
  const walk = walkPages(client, `${pathOf(operatorId)}/bound_endpoints`, {
    action: "list the bound endpoints",
    maxPages: MAX_PAGES,
    kinds: ["first_page", "page"],
    signal,
    read: (json) => readPage(json, known),
    remembered,
  });
  for await (const { entries } of walk) {
    pages++;
    endsEmpty = entries.length === 0 && pages > 1;
    for (const entry of entries) {
      const { id, url } = entry;
      const first = id === "" ? undefined : byId.get(id);
      if (first !== undefined) {
        if (first.url === url || repeated.has(`${id} ${url}`)) continue;
        repeated.add(`${id} ${url}`);
      }
      if ("refused" in entry) refused.push(entry.refused);
      else if (first === undefined) endpoints.push(entry.endpoint);
      else refused.push({ id, url, reason: `its id already belongs to "${printable(first.url)}"` });
      byId.set(id, first ?? entry);
    }
  }
  return { endpoints, ...limitRefused(refused), pages, ...(endsEmpty ? { endsEmpty } : {}) };
}

function readPage(json: unknown, known: ReadonlyMap<string, Endpoint>): EndpointPage | undefined {
  const { data } = ENDPOINT_PAGE.safeParse(json);
  if (data === undefined) return undefined;
  const { endpoints, next_page_uri: next } = data;
  return {
    entries: endpoints.map((entry) => readEntry(entry, known)),
    next,
    key: pageKey(endpoints.map(({ id }) => id)),
  };
}

function readEntry(entry: z.infer<typeof ENDPOINT>, known: ReadonlyMap<string, Endpoint>): Entry {
  const { id, public_url } = entry;
  const url = entry.url || public_url;
  const last = known.get(id);
  if (last?.url === url) return { id, url, endpoint: last };
  const read = readUrl(id, url);
  return typeof read === "string"
    ? { id, url, refused: { id: printable(id), url: printable(url), reason: read } }
    : { id, url, endpoint: { id, url, ...read } };
}

/** Reads the parts of the URL, or the reason why the entry is refused. */
function readUrl(id: string, url: string): EndpointUrl | string {
  if (id === "") return "it has no id";
  if (!ID_FORM.test(id)) return "its id is not printable, or too long";
  if (url === "") return "it has no URL";
  if (url.length > MAX_URL_LENGTH) return `its URL is longer than ${MAX_URL_LENGTH} characters`;
  try {
    return parseEndpointUrl(url);
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

/** Options of {@linkcode listBoundEndpoints}. */
export interface ListOptions {
  readonly signal?: AbortSignal | undefined;
  /** Endpoints of an earlier list, by id; an unchanged one is returned as the same object. */
  readonly known?: ReadonlyMap<string, Endpoint>;
  readonly remembered?: RememberedPages<EndpointPage>;
}

/** A page of bound endpoints. */
export interface EndpointPage extends Page {
  readonly entries: readonly Entry[];
}

type Entry =
  & { readonly id: string; readonly url: string }
  & ({ readonly endpoint: Endpoint } | { readonly refused: RefusedEndpoint });
