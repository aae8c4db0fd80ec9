import { isHostname, parentDomains } from "../lib/hostname.ts";
import type { Scheme } from "./endpoint.ts";
import { isSharedListenMode, VIRTUAL } from "./listen_mode.ts";
import { nextRevision } from "./revision.ts";

/** A service with the address and port where this machine reaches it. */
export interface Route {
  /** The normalised host name of the URL; `*.example.com` for a wildcard. */
  readonly hostname: string;
  /** The host name as the API spells it, if that differs; the upgrade names it. */
  readonly spelling?: string;
  /** The port of the URL; the upgrade names it. */
  readonly port: number;
  readonly scheme: Scheme;
  readonly wildcard: boolean;
  /** The members of the pool, sorted; never empty. */
  readonly endpointIds: readonly string[];
  /** The address of the local listener. */
  readonly address: string;
  readonly localPort: number;
  /** `virtual`, or the interface or address that the user chose. */
  readonly listenInterface: string;
  /**
   * True if the listener belongs to this route alone, although its address is shared.
   *
   * @default {false}
   */
  readonly extra?: boolean;
  /** The address of `net.advertise_ips` that clients of a shared listener use for this name. */
  readonly advertisedIp?: string;
}

interface RouteIndex {
  readonly exact: ReadonlyMap<string, Route>;
  /** The routes of wildcards by suffix, without `*.`. */
  readonly wildcard: ReadonlyMap<string, Route>;
}

/** The routes that share one listener. */
export class ListenerRoutes {
  readonly all: readonly Route[];
  #index: RouteIndex | undefined;

  constructor(routes: readonly Route[]) {
    this.all = routes;
  }

  /** The only route, if there is one and it is not a wildcard. */
  get sole(): Route | undefined {
    const first = this.all[0];
    return this.all.length === 1 && first !== undefined && !first.wildcard ? first : undefined;
  }

  /**
   * The route that has the listener for itself, so that no name is needed to choose it. An http
   * request may give another name only if ngrokd may replace it (docs/reliability.md R59). A shared
   * listener has none, even if it serves only one name: a client that asks for another name must
   * not get there.
   */
  get owner(): Route | undefined {
    const first = this.all[0];
    if (this.all.length !== 1 || first === undefined) return undefined;
    if (first.scheme === "tcp") return first;
    return !first.wildcard && (first.extra || first.listenInterface === VIRTUAL) ? first : undefined;
  }

  /**
   * Returns the route for a normalised name: exact before wildcard, and the longest suffix first. A
   * wildcard matches only host names below its suffix.
   */
  match(name: string): Route | undefined {
    // Made on demand: most of thousands of listeners have one route and need no index.
    const { exact, wildcard } = this.#index ??= indexOf(this.all);
    const found = exact.get(name);
    if (found !== undefined) return found;
    if (wildcard.size === 0 || !isHostname(name)) return undefined;
    for (const suffix of parentDomains(name)) {
      const route = wildcard.get(suffix);
      if (route !== undefined) return route;
    }
    return undefined;
  }
}

function indexOf(routes: readonly Route[]): RouteIndex {
  const exact = new Map<string, Route>();
  const wildcard = new Map<string, Route>();
  for (const route of routes) {
    if (route.wildcard) wildcard.set(route.hostname.slice(2), route);
    else exact.set(route.hostname, route);
  }
  return { exact, wildcard };
}

/** All routes. The control path makes a new table in each round; the data path reads it. */
export class RouteTable {
  static readonly EMPTY: RouteTable = new RouteTable([]);
  readonly routes: readonly Route[];
  /** The names that must not resolve, with the listen interface of each. */
  readonly withheld: ReadonlyMap<string, string>;
  readonly revision: number = nextRevision();
  readonly #byListener = new Map<string, ListenerRoutes>();
  /** Made on demand. */
  readonly #withEverywhere = new Map<string, ListenerRoutes>();

  constructor(routes: readonly Route[], withheld: ReadonlyMap<string, string> = new Map()) {
    this.routes = routes;
    this.withheld = withheld;
    for (const [key, group] of Map.groupBy(routes, (route) => listenerKey(route.address, route.localPort))) {
      this.#byListener.set(key, new ListenerRoutes(group));
    }
  }

  /**
   * Returns the routes of the listener with this key. Names on every address are also served on an
   * address and port that other names have, because they resolve to it too.
   */
  at(key: string): ListenerRoutes | undefined {
    const own = this.#byListener.get(key);
    if (own === undefined || own.owner !== undefined || !isShared(own.all[0]!)) return own;
    const known = this.#withEverywhere.get(key);
    if (known !== undefined) return known;
    const { address, localPort } = own.all[0]!;
    const everywhere = address === ANY_ADDRESS
      ? []
      : this.#byListener.get(listenerKey(ANY_ADDRESS, localPort))?.all ?? [];
    const shared = everywhere.filter(isShared);
    const routes = shared.length === 0 ? own : new ListenerRoutes([...shared, ...own.all]);
    this.#withEverywhere.set(key, routes);
    return routes;
  }
}

/** Returns true for a route that shares its listener with every other such route there. */
function isShared({ scheme, extra = false, listenInterface }: Route): boolean {
  return scheme !== "tcp" && !extra && listenInterface !== VIRTUAL;
}

/** The address of a listener on all addresses of this machine. */
export const ANY_ADDRESS = "0.0.0.0";

/**
 * Returns the address to which the name of a route resolves on this machine; 0.0.0.0 for any of
 * this machine.
 */
export function clientAddress({ address, advertisedIp }: Route): string {
  return advertisedIp ?? address;
}

/**
 * Returns the address to which the name of a route resolves by DNS; 0.0.0.0 for the address that
 * the query came to. `advertiseIp` is `net.advertise_ip`, or `""`.
 */
export function answerAddress(route: Route, advertiseIp: string): string {
  const { address, advertisedIp, listenInterface } = route;
  if (!isSharedListenMode(listenInterface)) return address;
  return advertisedIp ?? (advertiseIp === "" ? address : advertiseIp);
}

/** Returns `address:port`, the key of a listener; an IPv6 address is in brackets. */
export function listenerKey(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
