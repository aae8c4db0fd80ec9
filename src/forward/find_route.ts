import { ownText } from "../lib/latin1.ts";
import type { ListenerRoutes, Route } from "../model/route_table.ts";
import type { Outcome } from "../model/traffic.ts";
import type { ByteStream } from "../system/byte_stream.ts";
import { LargeHeads, MAX_LARGE_HEADS } from "./admission/large_heads.ts";
import type { Limits } from "./admission/limits.ts";
import { chooseByHello, chooseByRequest, filterRoutes, planRoute, type RouteChoice } from "./choose_route.ts";
import { FirstBytes } from "./first_bytes.ts";
import { type HeadRules, headRulesOf, SHARED_HEAD } from "./http/head_rules.ts";
import type { RequestHead } from "./http/parse_head.ts";
import { type HttpRefusal, httpResponse, lateRequest } from "./http/refuse.ts";
import { refuseH2 } from "./http/refuse_h2.ts";
import { type HttpSniff, PartialHead, sniffHttp } from "./http/sniff_http.ts";
import type { HostRules } from "./http/refuse_foreign.ts";
import { peek } from "./peek.ts";
import { answerClient, hasTlsRoute } from "./prelude/answer_client.ts";
import { postgresError } from "./prelude/postgres_message.ts";
import { type Prelude, sniffPrelude } from "./prelude/prelude.ts";
import {
  NAMELESS_TLS,
  type NamelessProtocol,
  PLAIN_POSTGRES,
  protocolOf,
  SILENT,
} from "./prelude/protocol_of.ts";
import { TLS_HANDSHAKE, type TlsSniff, TlsSniffer } from "./sniff_tls.ts";
import { tlsAlert } from "./tls_alert.ts";

/**
 * Finds the route of a connection and reads as little of it as possible: nothing if the listener
 * belongs to one route. Writes nothing, except the answers that clients of PostgreSQL and LDAP wait
 * for before their ClientHello.
 *
 * @throws Whatever the stream's read throws.
 */
export async function findRoute(local: ByteStream, options: FindOptions): Promise<Found | NotFound> {
  const { routes, limits, rules, largeHeads = new LargeHeads(), source = "" } = options;
  const plan = planRoute(routes);
  if (plan.kind === "none") return notFound("no_route");
  if (plan.kind === "raw") return unread(plan.route);
  const { http, tls } = plan;
  const isTls = (bytes: Uint8Array): boolean =>
    tls !== undefined && (http === undefined || bytes[0] === TLS_HANDSHAKE);
  const endMs = performance.now() + limits.helloMs;
  const sniffer = new TlsSniffer();
  using headSniffer = new HeadSniffer(headRulesOf(routes), { largeHeads, source });
  const preludeOf = hasTlsRoute(tls) ? sniffPrelude : () => undefined;
  const leadsToTls = (bytes: Uint8Array): boolean => isTls(bytes) || preludeOf(bytes) === "more";
  const peeked = await peek<Sniff>(
    local,
    (bytes) => {
      const prelude = preludeOf(bytes);
      if (prelude !== undefined) return prelude === "more" ? prelude : { prelude };
      return isTls(bytes) ? sniffAsTls(bytes, sniffer) : headSniffer.sniff(bytes);
    },
    {
      limitMs: (seen) => seen.length === 0 || leadsToTls(seen) ? limits.helloMs : limits.headMs,
      stop: () => headSniffer.stop,
    },
  );
  const { bytes: initial } = peeked;
  if (peeked.kind === "stopped") return notFound("bad_request", httpResponse(DISPLACED));
  const protocol = (): NamelessProtocol | undefined =>
    tls === undefined ? undefined : protocolOf(initial, { servesHttp: http !== undefined });
  if (peeked.kind !== "found") {
    // HTTP clients speak first, and browsers open connections in reserve.
    const isSilent = peeked.kind === "late" && initial.length === 0 && http === undefined && hasTlsRoute(tls);
    return {
      ...unclear(peeked.kind, { initial, isTls: leadsToTls(initial), headMs: limits.headMs }),
      protocol: isSilent ? SILENT : protocol(),
    };
  }
  const { found } = peeked;
  if ("prelude" in found) {
    return await findByPrelude(local, { bytes: initial, prelude: found.prelude }, {
      tls: tls!,
      endMs,
    });
  }
  if ("http" in found) {
    const choice = chooseByRequest(http!, found.http, { rules });
    if ("refusal" in choice) {
      if (found.http.kind === "h2") {
        const refusal = await refuseH2(local, choice.refusal, { initial, limitMs: limits.helloMs });
        return { ...notFound(choice.outcome, refusal), endsFirst: false };
      }
      const refused = notFound(choice.outcome, httpResponse(choice.refusal));
      return found.http.kind === "error" ? { ...refused, protocol: protocol() } : refused;
    }
    const head = found.http.kind === "request" ? found.http.head : undefined;
    // A framer puts the head into normal form itself.
    const normal = choice.passthrough ? inNormalForm(initial, head) : initial;
    return { kind: "found", choice, initial: new FirstBytes(normal), method: head && ownText(head.method) };
  }
  return chooseTls(tls!, found.tls, initial);
}

/** Options of {@linkcode findRoute}. */
export interface FindOptions {
  /** The routes of the connection's listener. */
  readonly routes: ListenerRoutes | undefined;
  readonly limits: Pick<Limits, "headMs" | "helloMs">;
  readonly rules: HostRules;
  /** Shared by all connections. @default Its own */
  readonly largeHeads?: LargeHeads;
  /** The network of the client, or the address that local programs use. @default None */
  readonly source?: string | undefined;
}

/** The route of a connection, and the bytes that were read to find it. */
export interface Found {
  readonly kind: "found";
  readonly choice: RouteChoice;
  /** All bytes of the client so far. */
  readonly initial: FirstBytes;
  /** The method of the first request, if it was read. */
  readonly method: string | undefined;
}

/** The reason why a connection has no route, and the refusal for its client, if there is one. */
export interface NotFound {
  readonly kind: "not_found";
  readonly outcome: Outcome;
  readonly refusal: Uint8Array | undefined;
  /** The protocol of a client that names no server, if the first bytes show it. */
  readonly protocol?: NamelessProtocol | undefined;
  /** False if the client ends the connection after the refusal. @default true */
  readonly endsFirst?: boolean;
}

type Sniff =
  | { readonly http: HttpSniff }
  | { readonly tls: TlsSniff }
  | { readonly prelude: Prelude };

/** Finds the route of a client whose ClientHello follows an answer in clear text. */
async function findByPrelude(
  local: ByteStream,
  first: { readonly bytes: Uint8Array; readonly prelude: Prelude },
  options: { readonly tls: ListenerRoutes; readonly endMs: number },
): Promise<Found | NotFound> {
  const { tls, endMs } = options;
  const answered = await answerClient(local, first, { endMs });
  if (answered.kind === "gone") return notFound("client_gone");
  if (answered.kind === "refused") {
    const { bytes, prelude } = answered;
    const isStartup = prelude?.protocol === "postgres" && prelude.message === "startup";
    const refusal = isStartup
      ? postgresError(
        "ngrokd needs the server name (SNI) of a TLS handshake to find the endpoint",
        PLAIN_POSTGRES.hint,
      )
      : undefined;
    return { ...notFound("bad_request", refusal), protocol: protocolOf(bytes) };
  }
  // An https endpoint speaks HTTP.
  const routes = filterRoutes(tls, ({ scheme }) => scheme === "tls")!;
  const found = chooseTls(routes, answered.tls, answered.initial);
  if (found.kind === "not_found") return found;
  return { ...found, choice: { ...found.choice, prelude: first.prelude.protocol } };
}

function chooseTls(routes: ListenerRoutes, tls: TlsSniff, bytes: Uint8Array): Found | NotFound {
  if (tls.kind === "error") {
    return { ...notFound("bad_request", tlsAlert("decode_error")), protocol: protocolOf(bytes) };
  }
  const choice = chooseByHello(routes, tls);
  if (choice !== undefined) {
    return { kind: "found", choice, initial: new FirstBytes(bytes), method: undefined };
  }
  const refused = notFound("wrong_host", tlsAlert("unrecognized_name"));
  return tls.name === undefined ? { ...refused, protocol: NAMELESS_TLS } : refused;
}

function unread(route: Route): Found {
  const choice = { route, host: route.hostname, passthrough: true };
  return { kind: "found", choice, initial: new FirstBytes(), method: undefined };
}

/**
 * Returns the result for first bytes that are incomplete. A client that sends nothing gets no
 * answer: a browser opens connections in reserve.
 */
function unclear(
  cause: "ended" | "late",
  options: { initial: Uint8Array; isTls: boolean; headMs: number },
): NotFound {
  const { initial, isTls, headMs } = options;
  if (initial.length === 0) return notFound("client_gone");
  if (isTls) return notFound("bad_request");
  const refusal = cause === "late"
    ? lateRequest("head", headMs)
    : { status: 400 as const, reason: "Cannot read the request: it ends within its head" };
  return notFound("bad_request", httpResponse(refusal));
}

function notFound(outcome: Outcome, refusal?: Uint8Array): NotFound {
  return { kind: "not_found", outcome, refusal };
}

const DISPLACED: HttpRefusal = {
  status: 503,
  reason: `More than ${MAX_LARGE_HEADS} requests with heads above ${
    SHARED_HEAD.maxBytes / 1024
  } KiB arrive at once.`,
  nextStep: "Send the request again",
};

/** Reads the first head of a connection. Dispose it when the head is read. */
class HeadSniffer implements Disposable {
  readonly #rules: HeadRules;
  readonly #options: HeadSnifferOptions;
  readonly #partial = new PartialHead();
  #large: Disposable | undefined;
  #stop: AbortController | undefined;

  constructor(rules: HeadRules, options: HeadSnifferOptions) {
    this.#rules = rules;
    this.#options = options;
  }

  /** Aborts when a large head must give way. */
  get stop(): AbortSignal | undefined {
    return this.#stop?.signal;
  }

  sniff(bytes: Uint8Array): Sniff | "more" {
    const http = sniffHttp(bytes, { partial: this.#partial, rules: this.#rules });
    if (http !== "more") return { http };
    if (bytes.length >= SHARED_HEAD.maxBytes && this.#stop === undefined) {
      const stop = this.#stop = new AbortController();
      const { largeHeads, source } = this.#options;
      this.#large = largeHeads.enter(source, () => stop.abort());
    }
    return "more";
  }

  [Symbol.dispose](): void {
    this.#large?.[Symbol.dispose]();
  }
}

interface HeadSnifferOptions {
  readonly largeHeads: LargeHeads;
  readonly source: string;
}

/** Returns the bytes of a client with its head in normal form. */
function inNormalForm(bytes: Uint8Array, head: RequestHead | undefined): Uint8Array {
  if (head?.normal === undefined) return bytes;
  const rest = bytes.subarray(head.length);
  const result = new Uint8Array(head.normal.length + rest.length);
  result.set(head.normal);
  result.set(rest, head.normal.length);
  return result;
}

function sniffAsTls(bytes: Uint8Array, sniffer: TlsSniffer): Sniff | "more" {
  const tls = sniffer.sniff(bytes);
  return tls === "more" ? tls : { tls };
}
