import type { Cidr } from "../lib/ipv4.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { formatCidr } from "../lib/ipv4.ts";
import { parentDomains } from "../lib/hostname.ts";
import type { Endpoint, RefusedEndpoint } from "../model/endpoint.ts";
import { EVERYWHERE, type Route } from "../model/route_table.ts";
import { groupServices, type Service } from "../model/service.ts";
import { refuseHijack, type ReservedNames } from "../names/hosts/refuse_names.ts";
import { allocateLeases, type Leases } from "./leases.ts";

/** What the user chose about where endpoints listen. */
export interface ListenSettings {
  readonly subnet: Cidr;
  /** What is used in its place at other times. */
  readonly equivalentSubnets?: readonly Cidr[];
  /** `virtual`, `0.0.0.0`, an address or an interface's name. */
  readonly listenInterface: string;
  /** By host name, exact or `*.suffix`. */
  readonly overrides: Readonly<Record<string, string>>;
}

/** What allocation is made from. */
export interface AllocateOptions extends ListenSettings {
  readonly leases: Leases;
  /** The address of an interface of this machine; undefined if there is none of that name. */
  readonly resolveInterface: (name: string) => string | undefined;
  /** Names that no endpoint may have on this machine. */
  readonly reserved: ReservedNames;
}

/** Where every endpoint should listen. */
export interface Plan {
  /** Sorted by service; http, https and tls before tcp, so that they get a port that both want (COMPAT.md 4.8). */
  readonly routes: readonly Route[];
  readonly leases: Leases;
  /** Why saved leases cannot be kept, one sentence each. */
  readonly droppedLeases: readonly string[];
  readonly refused: readonly RefusedEndpoint[];
}

/** Where a browser finds http by itself. On any other shared port an endpoint has a port of its own too (COMPAT.md, after the Departures). */
const HTTP_PORT = 80;

/** Gives every service an address and a port on this machine. Pure: what is known comes in, what is wanted comes out. */
export function allocate(endpoints: readonly Endpoint[], options: AllocateOptions): Plan {
  const refused: RefusedEndpoint[] = [];
  const allowed = endpoints.filter(({ id, url, hostname }) => {
    const reason = refuseHijack(hostname, options.reserved);
    if (reason !== undefined) refused.push({ id, url, reason });
    return reason === undefined;
  });
  const { services, refused: conflicts } = groupServices(allowed);
  refused.push(...conflicts);
  const modes = new Map(services.map((service) => [service, modeOf(service.hostname, options)]));
  const virtual = new Set(
    services.filter((service) => modes.get(service) === VIRTUAL).map((service) => service.hostname),
  );
  const { leases, exhausted, dropped } = allocateLeases([...virtual], {
    known: options.leases,
    subnet: options.subnet,
    ...(options.equivalentSubnets === undefined ? {} : { equivalentSubnets: options.equivalentSubnets }),
  });
  const full = new Set(exhausted);
  const byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
  function refuse(service: Service, reason: string): void {
    for (const id of service.endpointIds) refused.push({ id, url: byId.get(id)!.url, reason });
  }

  const routes: Route[] = [];
  for (const service of services) {
    const mode = modes.get(service)!;
    if (mode === VIRTUAL && full.has(service.hostname)) {
      refuse(
        service,
        `no address is left in ${formatCidr(options.subnet)}; give net.subnet a larger network`,
      );
      continue;
    }
    const address = mode === VIRTUAL ? leases.get(service.hostname) : options.resolveInterface(mode);
    if (address === undefined) {
      refuse(service, `this machine has no interface or address "${mode}"`);
      continue;
    }
    const { hostname, port, scheme, wildcard, endpointIds } = service;
    const route: Route = { hostname, port, scheme, wildcard, endpointIds, address, localPort: port, mode };
    routes.push(route);
    if (mode !== VIRTUAL && scheme === "http" && port !== HTTP_PORT && !wildcard) {
      routes.push({ ...route, own: true });
    }
  }
  return { routes: bindOrder(routes), leases, droppedLeases: dropped, refused };
}

/** A listener on every address comes before those on one, which it takes connections for where the ports are the same. */
function bindOrder(routes: readonly Route[]): Route[] {
  const rank = (route: Route) =>
    route.own ? 4 : (route.address === EVERYWHERE ? 0 : 2) + (route.scheme === "tcp" ? 1 : 0);
  return [0, 1, 2, 3, 4].flatMap((wanted) => routes.filter((route) => rank(route) === wanted));
}

function modeOf(hostname: string, settings: ListenSettings): string {
  const { overrides, listenInterface } = settings;
  if (Object.keys(overrides).length === 0) return listenInterface;
  const names = [hostname, ...parentDomains(hostname).map((suffix) => `*.${suffix}`)];
  for (const name of names) {
    if (Object.hasOwn(overrides, name)) return overrides[name]!;
  }
  return listenInterface;
}
