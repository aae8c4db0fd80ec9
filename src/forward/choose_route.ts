import { ownText } from "../lib/latin1.ts";
import { ListenerRoutes, type Route } from "../model/route_table.ts";
import type { Outcome } from "../model/traffic.ts";
import { hasOwnHost, hostFieldOf } from "./http/host_field.ts";
import type { RequestHead } from "./http/parse_head.ts";
import { type HttpRefusal, unreadable } from "./http/refuse.ts";
import { type HostRules, quoteHost, refuseForeign } from "./http/refuse_foreign.ts";
import type { HttpSniff } from "./http/sniff_http.ts";
import type { PreludeProtocol } from "./prelude/prelude.ts";
import type { TlsSniff } from "./sniff_tls.ts";

/** The way in which the route of a connection is found. */
export type RoutePlan =
  | { readonly kind: "none" }
  /** Nothing is read, because the server may be the side that speaks first. */
  | { readonly kind: "raw"; readonly route: Route }
  /** The first bytes, read as HTTP or TLS, choose among these routes. */
  | {
    readonly kind: "sniff";
    readonly http: ListenerRoutes | undefined;
    readonly tls: ListenerRoutes | undefined;
  };

/** The route of a connection. */
export interface RouteChoice {
  readonly route: Route;
  /** The concrete name, normalised. {@linkcode ingressHost} has the spelling for the ingress. */
  readonly host: string;
  /**
   * True if every byte goes to this route unread. Otherwise each request of the connection goes to
   * the route of its own host name, or gets another Host if it may.
   */
  readonly passthrough: boolean;
  /** The Host that every request gets, if the client may send another one (docs/decisions/0016). */
  readonly hostField?: string;
  /** Set if the client has asked for TLS as this protocol does, and ngrokd has answered. */
  readonly prelude?: PreludeProtocol;
}

/** The reason why an HTTP connection has no route. */
export interface HttpRefused {
  readonly outcome: Outcome;
  readonly refusal: HttpRefusal;
}

const H2_REFUSAL: HttpRefusal = {
  status: 421,
  reason: "ngrokd cannot route HTTP/2 without TLS on a port that several names share.",
  nextStep: "Use HTTP/1.1, or reach the endpoint by an address or port of its own: ngrokctl list",
};
/** An address of its own would not help: the ingress needs one of the names below the wildcard. */
const H2_WILDCARD_REFUSAL: HttpRefusal = {
  status: 421,
  reason: "ngrokd cannot route HTTP/2 without TLS to a wildcard endpoint, which stands for many names.",
  nextStep: "Use HTTP/1.1, or an endpoint with an exact name: ngrokctl list",
};

/** The plan of each listener: routes never change, and a plan looks at all of them. */
const PLANS = new WeakMap<ListenerRoutes, RoutePlan>();

/** Returns the way to find the route of a connection on a listener with these routes. */
export function planRoute(routes: ListenerRoutes | undefined): RoutePlan {
  if (routes === undefined) return { kind: "none" };
  const known = PLANS.get(routes);
  if (known !== undefined) return known;
  const plan = makePlan(routes);
  PLANS.set(routes, plan);
  return plan;
}

function makePlan(routes: ListenerRoutes): RoutePlan {
  const { owner } = routes;
  if (owner !== undefined && owner.scheme !== "http") return { kind: "raw", route: owner };
  const http = filterRoutes(routes, (route) => route.scheme === "http");
  const tls = filterRoutes(routes, (route) => route.scheme === "https" || route.scheme === "tls");
  return http === undefined && tls === undefined ? { kind: "none" } : { kind: "sniff", http, tls };
}

/** Finds the route of a TLS connection by its server name. */
export function chooseByHello(
  routes: ListenerRoutes,
  hello: TlsSniff & { kind: "hello" },
): RouteChoice | undefined {
  const route = hello.name === undefined ? undefined : routes.match(hello.name);
  return route === undefined ? undefined : { route, host: hello.name!, passthrough: true };
}

/** Finds the route of an HTTP connection by its first request. */
export function chooseByRequest(
  routes: ListenerRoutes,
  sniff: HttpSniff,
  options: ChooseOptions,
): RouteChoice | HttpRefused {
  const { owner } = routes;
  if (sniff.kind === "error") return { outcome: "bad_request", refusal: unreadable(sniff.reason, sniff) };
  if (sniff.kind === "h2") {
    // No web page can send HTTP/2 without TLS, so its :authority needs no check (R59).
    const only = owner ?? routes.sole;
    if (only !== undefined) return { route: only, host: only.hostname, passthrough: true };
    const refusal = routes.all.length === 1 ? H2_WILDCARD_REFUSAL : H2_REFUSAL;
    return { outcome: "bad_request", refusal };
  }
  const { head } = sniff;
  return owner === undefined ? chooseShared(routes, head) : chooseOwner(owner, head, options);
}

/** Options of {@linkcode chooseByRequest}. */
export interface ChooseOptions {
  readonly rules: HostRules;
}

/**
 * Finds the route of a further request of a connection, whose last one had the route `last`. That
 * one is not looked up again while its upstream is open.
 */
export function chooseNext(
  last: RouteChoice,
  { head, mayOpen = false }: NextRequest,
  options: ChooseNextOptions,
): RouteChoice | HttpRefused {
  const { routes, rules } = options;
  if (last.hostField !== undefined) {
    const refusal = refuseForeign(head, { route: last.route, rules });
    if (refusal !== undefined) return refusedBy(refusal);
    return mayOpen ? ownerNow(last, head, options) : last;
  }
  if (head.host === last.host && !mayOpen) return last;
  const plan = planRoute(routes());
  return chooseShared(plan.kind === "sniff" && plan.http !== undefined ? plan.http : NO_ROUTES, head);
}

/** A further request of a connection. */
export interface NextRequest {
  readonly head: RequestHead;
  /**
   * True if a new upstream may be opened for it, so that its endpoint must still be there.
   *
   * @default {false}
   */
  readonly mayOpen?: boolean;
}

/** Returns the present route of a listener with one endpoint, if it still has the same one. */
function ownerNow(
  last: RouteChoice,
  head: RequestHead,
  options: ChooseNextOptions,
): RouteChoice | HttpRefused {
  const route = options.routes()?.owner;
  const { scheme, hostname, port } = last.route;
  if (route?.scheme === scheme && route.hostname === hostname && route.port === port) {
    return { ...last, route };
  }
  return wrongHost(head, {
    expected: `This address no longer serves ${urlOf(last.route)}`,
    nextStep: "See the names: ngrokctl list",
  });
}

/** Options of {@linkcode chooseNext}. */
export interface ChooseNextOptions extends ChooseOptions {
  /** Returns the present routes of the connection's listener. */
  readonly routes: () => ListenerRoutes | undefined;
}

const NO_ROUTES = new ListenerRoutes([]);

/**
 * Chooses the one route that the listener belongs to, or refuses a request that must not get its
 * Host.
 */
function chooseOwner(route: Route, head: RequestHead, options: ChooseOptions): RouteChoice | HttpRefused {
  const { hostname: host } = route;
  // The Host field of a request with an absolute target may name another host (RFC 9112 3.2.2).
  const isPlain = head.authority === undefined && head.fields.some((field) => field.name === "host");
  if (hasOwnHost(head, route) && isPlain) return { route, host, passthrough: true };
  const refusal = refuseForeign(head, { route, ...options });
  if (refusal === undefined) return { route, host, passthrough: false, hostField: hostFieldOf(route) };
  return refusedBy(refusal);
}

function refusedBy(refusal: HttpRefusal): HttpRefused {
  return { outcome: refusal.status === 403 ? "forbidden" : "wrong_host", refusal };
}

function chooseShared(routes: ListenerRoutes, head: RequestHead): RouteChoice | HttpRefused {
  const route = routes.match(head.host);
  if (route !== undefined) return { route, host: ownText(head.host), passthrough: false };
  const { sole } = routes;
  if (sole !== undefined) {
    const url = `http://${sole.address}:${sole.localPort}/`;
    return wrongHost(head, {
      expected: `This address serves only ${urlOf(sole)}`,
      nextStep: `Send its name: curl -H "Host: ${hostFieldOf(sole)}" ${url}`,
    });
  }
  return wrongHost(head, {
    expected: "No endpoint on this address has that name",
    nextStep: "See the names: ngrokctl list",
  });
}

function wrongHost(head: RequestHead, options: { expected: string; nextStep: string }): HttpRefused {
  const reason = `The request is for ${quoteHost(head)}. ${options.expected}.`;
  const { method } = head;
  return { outcome: "wrong_host", refusal: { status: 421, reason, nextStep: options.nextStep, method } };
}

/**
 * Returns the name to ask the ingress for (docs/protocol.md 3.2), in the spelling of the API.
 * Labels below a wildcard are those of the client in normal form.
 */
export function ingressHost({ route, host }: Pick<RouteChoice, "route" | "host">): string {
  const { hostname, spelling = hostname, wildcard } = route;
  if (!wildcard) return spelling;
  const suffix = hostname.slice(1);
  return host.slice(0, host.length - suffix.length) + spelling.slice(1);
}

/** Returns `scheme://host:port`, without the port if it is the scheme's default. */
export function urlOf(route: Pick<Route, "scheme" | "hostname" | "port">): string {
  const usual = route.scheme === "http" ? 80 : route.scheme === "tcp" ? undefined : 443;
  return `${route.scheme}://${route.hostname}${route.port === usual ? "" : `:${route.port}`}`;
}

/** Returns the routes that satisfy the test; the same object if all do, undefined if none does. */
export function filterRoutes(
  routes: ListenerRoutes,
  test: (route: Route) => boolean,
): ListenerRoutes | undefined {
  const some = routes.all.filter(test);
  if (some.length === 0) return undefined;
  return some.length === routes.all.length ? routes : new ListenerRoutes(some);
}
