import { isHostname, parentDomains } from "../lib/hostname.ts";
import type { Scheme } from "./endpoint.ts";

/** One name and port of the cloud, and where on this machine it is reached. Pooled endpoints are one route. */
export interface Route {
  /** As in the URL, normalised; `*.example.com` for a wildcard. */
  readonly hostname: string;
  /** The URL's port: what the cloud is asked for. */
  readonly port: number;
  readonly scheme: Scheme;
  readonly wildcard: boolean;
  /** The pool's members, sorted; never empty. */
  readonly endpointIds: readonly string[];
  /** The local listener that serves it. */
  readonly address: string;
  readonly localPort: number;
  /** `virtual`, or the interface or address that the user chose. */
  readonly mode: string;
  /** Whether the listener is this route's alone although its address is shared. @default Virtual and tcp ones are. */
  readonly own?: boolean;
}

interface RouteIndex {
  readonly exact: ReadonlyMap<string, Route>;
  /** By the suffix, without `*.`. */
  readonly wildcard: ReadonlyMap<string, Route>;
}

/** The routes that share one listener, found by name: exact before wildcard, longest suffix first, never the bare suffix. */
export class ListenerRoutes {
  readonly all: readonly Route[];
  #index: RouteIndex | undefined;

  constructor(routes: readonly Route[]) {
    this.all = routes;
  }

  /** The only route, if there is just one and it has a name of its own. */
  get sole(): Route | undefined {
    const first = this.all[0];
    return this.all.length === 1 && first !== undefined && !first.wildcard ? first : undefined;
  }

  /**
   * The route that every client of this listener means, whatever name it gives: the one that has the listener for itself. A listener that
   * is to be shared has none, even while one name is all that there is: a default would lead strangers in.
   */
  get owner(): Route | undefined {
    const first = this.all[0];
    if (this.all.length !== 1 || first === undefined) return undefined;
    if (first.scheme === "tcp") return first;
    return !first.wildcard && (first.own ?? first.mode === "virtual") ? first : undefined;
  }

  /** The route for a (normalised) concrete name. A wildcard stands for host names only, whatever a client says that it wants. */
  match(name: string): Route | undefined {
    // Most listeners have one route and never need it: there can be thousands.
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

/** All routes, immutable: the control path makes a new one each round, the data path reads the current one for each connection. */
export class RouteTable {
  static readonly EMPTY: RouteTable = new RouteTable([]);
  readonly routes: readonly Route[];
  readonly #byListener = new Map<string, ListenerRoutes>();

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    for (const [key, group] of Map.groupBy(routes, (route) => listenerKey(route.address, route.localPort))) {
      this.#byListener.set(key, new ListenerRoutes(group));
    }
  }

  /** The routes of the listener with this key (`address:port`). */
  at(key: string): ListenerRoutes | undefined {
    return this.#byListener.get(key);
  }
}

/** The address that stands for all of this machine's. */
export const EVERYWHERE = "0.0.0.0";

/** `address:port`, by which a listener is known. */
export function listenerKey(address: string, port: number): string {
  return `${address}:${port}`;
}
