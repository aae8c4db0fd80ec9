import type { ListenerRoutes, Route } from "../model/route_table.ts";
import type { Outcome } from "../model/traffic.ts";
import type { ByteStream } from "../system/net.ts";
import { chooseByHello, chooseByRequest, type Chosen, planRoute } from "./choose_route.ts";
import type { Limits } from "./admission/limits.ts";
import { peek } from "./peek.ts";
import { httpAnswer, tlsAlert } from "./http/refuse.ts";
import { type HttpSniff, type RequestHead, sniffHttp } from "./http/sniff_http.ts";
import { TLS_HANDSHAKE, type TlsSniff, TlsSniffer } from "./sniff_tls.ts";

/** Where a connection goes, and what was read to know it. */
export interface Found {
  readonly kind: "found";
  readonly chosen: Chosen;
  /** Everything that the client sent so far. */
  readonly initial: Uint8Array;
  /** The first request, if it was read as one. */
  readonly head: RequestHead | undefined;
}

/** Why a connection goes nowhere, and the last word to its client, if there is one. */
export interface NotFound {
  readonly kind: "not_found";
  readonly outcome: Outcome;
  readonly answer: Uint8Array | undefined;
}

/** Options of {@linkcode findRoute}. */
export interface FindOptions {
  /** Those of the connection's listener. */
  readonly routes: ListenerRoutes | undefined;
  readonly limits: Pick<Limits, "headMs" | "helloMs">;
}

type Sniff = { readonly http: HttpSniff } | { readonly tls: TlsSniff };

/**
 * Finds the route of a connection, reading of it no more than it must: nothing where one route has the listener for itself.
 *
 * @throws Whatever the stream's read throws.
 */
export async function findRoute(local: ByteStream, options: FindOptions): Promise<Found | NotFound> {
  const { routes, limits } = options;
  const plan = planRoute(routes);
  if (plan.kind === "none") return notFound("no_route");
  if (plan.kind === "raw") return whole(plan.route);
  const { http, tls } = plan;
  const isTls = (bytes: Uint8Array): boolean =>
    tls !== undefined && (http === undefined || bytes[0] === TLS_HANDSHAKE);
  const sniffer = new TlsSniffer();
  const peeked = await peek<Sniff>(
    local,
    (bytes) => (isTls(bytes) ? sniffAsTls(bytes, sniffer) : sniffAsHttp(bytes)),
    { limitMs: (seen) => seen.length === 0 || isTls(seen) ? limits.helloMs : limits.headMs },
  );
  const { bytes: initial } = peeked;
  if (peeked.kind !== "found") {
    return unclear(peeked.kind, { initial, isTls: isTls(initial), headMs: limits.headMs });
  }
  const { found } = peeked;
  if ("http" in found) {
    const choice = chooseByRequest(http!, found.http);
    if ("refusal" in choice) return notFound(choice.outcome, httpAnswer(choice.refusal));
    return {
      kind: "found",
      chosen: choice,
      initial,
      head: found.http.kind === "request" ? found.http.head : undefined,
    };
  }
  if (found.tls.kind === "error") return notFound("bad_request", tlsAlert("decode_error"));
  const chosen = chooseByHello(tls!, found.tls);
  if (chosen === undefined) return notFound("wrong_host", tlsAlert("unrecognized_name"));
  return { kind: "found", chosen, initial, head: undefined };
}

function whole(route: Route): Found {
  const chosen = { route, host: route.hostname, whole: true };
  return { kind: "found", chosen, initial: new Uint8Array(0), head: undefined };
}

/** A client that sends nothing (a browser's connection in reserve) is told nothing. */
function unclear(
  why: "ended" | "late",
  options: { initial: Uint8Array; isTls: boolean; headMs: number },
): NotFound {
  const { initial, isTls, headMs } = options;
  if (initial.length === 0) return notFound("client_gone");
  if (isTls) return notFound("bad_request");
  const refusal = why === "late"
    ? { status: 408 as const, reason: `The head of the request did not come in ${headMs / 1000} s` }
    : { status: 400 as const, reason: "Cannot read the request: it ends in its head" };
  return notFound("bad_request", httpAnswer(refusal));
}

function notFound(outcome: Outcome, answer?: Uint8Array): NotFound {
  return { kind: "not_found", outcome, answer };
}

function sniffAsHttp(bytes: Uint8Array): Sniff | "more" {
  const http = sniffHttp(bytes);
  return http === "more" ? http : { http };
}

function sniffAsTls(bytes: Uint8Array, sniffer: TlsSniffer): Sniff | "more" {
  const tls = sniffer.sniff(bytes);
  return tls === "more" ? tls : { tls };
}
