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
 * `recovery`: an endpoint that was failing works again, and others may too. `idle`: nothing has
 * shown for a while that the way works.
 */
export type ProbeOccasion = "change" | "retry" | "refused" | "recovery" | "idle";

/**
 * Chooses the route that a probe asks for. Undefined: it asks for none and ends after the TLS
 * handshake. A tcp endpoint is asked for after a change, or if it failed itself, and only if
 * `mayAskTcp` allows it.
 */
export function chooseProbe(routes: readonly Route[], options: ChooseProbeOptions): Route | undefined {
  const { occasion, refused, unanswered, last, mayAskTcp } = options;
  const services = routes.filter((route) => !route.extra && (!isTcp(route) || mayAskTcp(serviceKey(route))));
  const failing = nextInTurn(services.filter((route) => refused.get(serviceKey(route))), last.failing);
  switch (occasion) {
    case "refused":
      return nextInTurn(services.filter((route) => isInDoubt(route, refused)), last.failing);
    case "recovery":
      return failing;
    case "retry":
      if (unanswered !== undefined) return chooseOther(services, { unanswered, last: last.usual });
      return nextInTurn(preferred(services.filter((route) => !isTcp(route))), last.usual);
    default: {
      const usual = occasion === "idle" ? services.filter((route) => !isTcp(route)) : services;
      const isFailingNext = options.isFailingNext && failing !== undefined;
      return isFailingNext ? failing : nextInTurn(preferred(usual), last.usual) ?? failing;
    }
  }
}

/** Options of {@linkcode chooseProbe}. */
export interface ChooseProbeOptions {
  readonly occasion: ProbeOccasion;
  /** Service → true if it is failing, of those whose last upgrade failed. */
  readonly refused: ReadonlyMap<string, boolean>;
  /** The service whose upgrade the ingress did not answer; undefined if the dial failed. */
  readonly unanswered: string | undefined;
  readonly last: LastProbed;
  /** True if it is the turn of the failing endpoints. */
  readonly isFailingNext: boolean;
  /** Returns true if a probe may ask for this tcp service now. */
  readonly mayAskTcp: (service: string) => boolean;
}

/** The last service of each of the two turns. */
export interface LastProbed {
  readonly usual: string;
  /** The last one of those whose upgrades fail. */
  readonly failing: string;
}

/** Returns true if the server of the endpoint may block this machine after many probes. */
export function isTcp({ scheme }: Pick<Route, "scheme">): boolean {
  return RANKS[scheme] === RANKS.tcp;
}

/**
 * Returns true if the endpoint was refused, not often enough to be failing, and a probe may show
 * more. The probe of a tcp endpoint could reach its server.
 */
export function isInDoubt(route: Route, refused: ReadonlyMap<string, boolean>): boolean {
  return refused.get(serviceKey(route)) === false && !isTcp(route);
}

/** Returns the host to ask the ingress for: below a wildcard a name that no user has. */
export function probeHost(route: Route): string {
  const { hostname, wildcard } = route;
  return ingressHost({ route, host: wildcard ? `ngrokd-probe${hostname.slice(1)}` : hostname });
}

/**
 * Returns another service than the one that was not answered, of any scheme but tcp: it shows which
 * of the two fails, the ingress or the endpoint.
 */
function chooseOther(
  services: readonly Route[],
  { unanswered, last }: { unanswered: string; last: string },
): Route | undefined {
  const others = services.filter((route) => !isTcp(route) && serviceKey(route) !== unanswered);
  return nextInTurn(others, last) ?? services.find((route) => serviceKey(route) === unanswered);
}

/** Returns the routes whose scheme is the best of all. */
function preferred(routes: readonly Route[]): readonly Route[] {
  const best = Math.min(...routes.map(({ scheme }) => RANKS[scheme]));
  return routes.filter(({ scheme }) => RANKS[scheme] === best);
}

function nextInTurn(routes: readonly Route[], last: string): Route | undefined {
  const sorted = routes.toSorted((one, other) => compare(serviceKey(one), serviceKey(other)));
  return sorted.find((route) => compare(serviceKey(route), last) > 0) ?? sorted[0];
}
