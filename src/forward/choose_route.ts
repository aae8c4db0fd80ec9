import { printable } from "../lib/printable.ts";
import type { Outcome } from "../model/traffic.ts";
import { ListenerRoutes, type Route } from "../model/route_table.ts";
import type { HttpRefusal } from "./http/refuse.ts";
import type { HttpSniff, RequestHead } from "./http/sniff_http.ts";
import type { TlsSniff } from "./sniff_tls.ts";

/** How the route of a connection is found. */
export type Plan =
  | { readonly kind: "none" }
  /** Without a look at the bytes: the server may be the one that speaks first. */
  | { readonly kind: "raw"; readonly route: Route }
  /** By the first bytes, read as HTTP or TLS; these are the routes that each can lead to. */
  | {
    readonly kind: "sniff";
    readonly http: ListenerRoutes | undefined;
    readonly tls: ListenerRoutes | undefined;
  };

/** The route, and the concrete name that the cloud is asked for (PROTOCOL.md 3.2). */
export interface Chosen {
  readonly route: Route;
  readonly host: string;
  /**
   * Whether every byte may go to this route. If not, one connection can ask for several names, and each further request must be held
   * against this one, or rewritten.
   */
  readonly whole: boolean;
  /** What the Host of every request becomes, if the client may name another (DESIGN.md decision 6). */
  readonly hostField?: string;
}

/** Why there is no route for an HTTP connection. */
export interface HttpRefused {
  readonly outcome: Outcome;
  readonly refusal: HttpRefusal;
}

/** What must be known of a connection on a listener with these routes. */
export function planRoute(routes: ListenerRoutes | undefined): Plan {
  if (routes === undefined) return { kind: "none" };
  const { owner } = routes;
  if (owner !== undefined && owner.scheme !== "http") return { kind: "raw", route: owner };
  const http = routesOf(routes, (route) => route.scheme === "http");
  const tls = routesOf(routes, (route) => route.scheme === "https" || route.scheme === "tls");
  return http === undefined && tls === undefined ? { kind: "none" } : { kind: "sniff", http, tls };
}

/** The route of a TLS connection by its server name; undefined if no route has the name. */
export function chooseByHello(
  routes: ListenerRoutes,
  hello: TlsSniff & { kind: "hello" },
): Chosen | undefined {
  const route = hello.name === undefined ? undefined : routes.match(hello.name);
  return route === undefined ? undefined : { route, host: hello.name!, whole: true };
}

/** The route of an HTTP connection by what it begins with. */
export function chooseByRequest(routes: ListenerRoutes, sniff: HttpSniff): Chosen | HttpRefused {
  const { owner } = routes;
  if (sniff.kind === "error") return badRequest(sniff.reason, sniff.status);
  if (sniff.kind === "h2") {
    if (owner !== undefined) return { route: owner, host: owner.hostname, whole: true };
    return badRequest("HTTP/2 without TLS is not served on an address that several names share");
  }
  const { head } = sniff;
  return owner === undefined ? chooseShared(routes, head) : chooseOwner(owner, head);
}

/** Whether a further request of a connection is for another name than the connection was opened for, and what to say then. */
export function refuseOtherHost(chosen: Chosen, head: RequestHead): HttpRefusal | undefined {
  if (chosen.hostField !== undefined || head.host === chosen.host) return undefined;
  return wrongHost(head, {
    expected: `This connection was opened for "${chosen.host}"`,
    nextStep: "Open a connection of its own for each name",
  }).refusal;
}

/** The listener belongs to one name: whatever a client calls it, it can mean nothing else. */
function chooseOwner(route: Route, head: RequestHead): Chosen {
  const { hostname: host, port } = route;
  const hostField = hostFieldOf(route);
  const isNamed = head.host === host &&
    (head.port === port || (head.port === undefined && hostField === host));
  // The Host field of a request with an absolute target may say something else (RFC 9112 3.2.2).
  const isPlain = head.authority === undefined && head.fields.some((field) => field.name === "host");
  return isNamed && isPlain ? { route, host, whole: true } : { route, host, whole: false, hostField };
}

function chooseShared(routes: ListenerRoutes, head: RequestHead): Chosen | HttpRefused {
  const route = routes.match(head.host);
  if (route !== undefined) return { route, host: head.host, whole: false };
  const { sole } = routes;
  if (sole !== undefined) {
    return wrongHost(head, {
      expected: `This address serves ${urlOf(sole)} only`,
      nextStep: `Send its name: curl -H "Host: ${
        hostFieldOf(sole)
      }" http://${sole.address}:${sole.localPort}/`,
    });
  }
  return wrongHost(head, {
    expected: "No endpoint on this address has that name",
    nextStep: "See the names that are served: ngrokctl list",
  });
}

function wrongHost(head: RequestHead, options: { expected: string; nextStep: string }): HttpRefused {
  const { host, port, method } = head;
  const asked = printable(port === undefined ? host : `${host}:${port}`);
  const reason = `The request is for "${asked}". ${options.expected}.`;
  return { outcome: "wrong_host", refusal: { status: 421, reason, nextStep: options.nextStep, method } };
}

function badRequest(reason: string, status: 400 | 431 = 400): HttpRefused {
  return { outcome: "bad_request", refusal: { status, reason: `Cannot read the request: ${reason}` } };
}

/** `scheme://host:port` as a user would write it. */
export function urlOf(route: Pick<Route, "scheme" | "hostname" | "port">): string {
  const usual = route.scheme === "http" ? 80 : route.scheme === "tcp" ? undefined : 443;
  return `${route.scheme}://${route.hostname}${route.port === usual ? "" : `:${route.port}`}`;
}

/** The Host that the cloud knows the endpoint by: without the port if it is 80 or 443 (as the Go daemon wrote it). */
function hostFieldOf(route: Route): string {
  return route.port === 80 || route.port === 443 ? route.hostname : `${route.hostname}:${route.port}`;
}

/** The routes that satisfy the test, undefined if none does; the same object if all do. */
function routesOf(routes: ListenerRoutes, test: (route: Route) => boolean): ListenerRoutes | undefined {
  const some = routes.all.filter(test);
  if (some.length === 0) return undefined;
  return some.length === routes.all.length ? routes : new ListenerRoutes(some);
}
