import { compare } from "../lib/compare.ts";
import { type Scheme, serviceKey } from "../model/endpoint.ts";
import type { Route } from "../model/route_table.ts";
import { ingressHost } from "./choose_route.ts";

/**
 * The order of preference. An http server does not notice a connection without a request, and a TLS
 * server may log it. MySQL and MariaDB log it, and block a host after 100 of them without a login.
 */
const RANKS: Readonly<Record<Scheme, number>> = { http: 0, https: 1, tls: 1, tcp: 2 };

/**
 * The occasion of a probe. `change`: the certificate, the ingress or the network may be another
 * one. `retry`: the ingress did not answer. `refused`: it did not join a connection to an endpoint.
 * `idle`: nothing has shown for a while that the way works.
 */
export type ProbeOccasion = "change" | "retry" | "refused" | "idle";

/**
 * Chooses the route that a probe asks for: the next one in turn of the best scheme and of those
 * that are failing. Undefined: the probe asks for none and ends after the TLS handshake.
 */
export function chooseProbe(routes: readonly Route[], options: ChooseProbeOptions): Route | undefined {
  const { occasion, refused, last } = options;
  const services = routes.filter(({ extra = false }) => !extra);
  if (occasion === "refused") return nextInTurn(services.filter((route) => isInDoubt(route, refused)), last);
  const failing = services.filter((route) => refused.get(serviceKey(route)));
  const best = Math.min(...services.map(({ scheme }) => RANKS[scheme]));
  const usual = services.filter(({ scheme }) => RANKS[scheme] === best);
  const isQuiet = occasion === "idle" && best === RANKS.tcp;
  return nextInTurn(isQuiet ? failing : [...new Set([...usual, ...failing])], last);
}

/** Options of {@linkcode chooseProbe}. */
export interface ChooseProbeOptions {
  readonly occasion: ProbeOccasion;
  /** Service → true if it is failing, of those that the ingress refused last. */
  readonly refused: ReadonlyMap<string, boolean>;
  /** The service of the last probe. */
  readonly last: string;
}

/**
 * Returns true if the endpoint was refused, not often enough to be failing, and a probe may show
 * more. The probe of a tcp endpoint could reach its server.
 */
export function isInDoubt(route: Route, refused: ReadonlyMap<string, boolean>): boolean {
  return refused.get(serviceKey(route)) === false && RANKS[route.scheme] < RANKS.tcp;
}

/** Returns the host to ask the ingress for: below a wildcard a name that no user has. */
export function probeHost(route: Route): string {
  const { hostname, wildcard } = route;
  return ingressHost({ route, host: wildcard ? `ngrokd-probe${hostname.slice(1)}` : hostname });
}

function nextInTurn(routes: readonly Route[], last: string): Route | undefined {
  const sorted = routes.toSorted((one, other) => compare(serviceKey(one), serviceKey(other)));
  return sorted.find((route) => compare(serviceKey(route), last) > 0) ?? sorted[0];
}
