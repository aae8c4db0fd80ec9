import { parentDomains } from "../lib/hostname.ts";
import { type Cidr, formatCidr } from "../lib/ipv4.ts";
import { type Endpoint, type RefusedEndpoint, serviceKey } from "../model/endpoint.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { ANY_ADDRESS, type Route } from "../model/route_table.ts";
import { groupServices } from "../model/service.ts";
import type { NamePolicy } from "../names/policy/name_policy.ts";
import { allocateLeases, type DroppedLease, type Leases } from "./leases.ts";
import { refusePort } from "./refuse_port.ts";
import { type AdvertisedIps, missingIps, pinnedNames, spreadCandidates } from "./spread_candidates.ts";
import { NOT_SPREAD, type SpreadNames, spreadNames } from "./spread_names.ts";
import type { WithheldName } from "./withheld_names.ts";

/**
 * The port that browsers use. An endpoint on another shared port also gets one of its own, and so
 * does one to which version 0.2 of the Go daemon has given such a port.
 */
const HTTP_PORT = 80;
const NO_PORTS: ReadonlyMap<string, number> = new Map();

/** Gives every service an address and a port on this machine. */
export function allocate(endpoints: readonly Endpoint[], options: AllocateOptions): Plan {
  const { names, allowPorts, resolveInterface, subnet, ports = NO_PORTS } = options;
  const refused: RefusedEndpoint[] = [];
  const notes = new Map<string, string>();
  const allowed = endpoints.filter(({ id, url, hostname }) => {
    const { refused: reason, note } = names.judge(hostname);
    if (reason !== undefined) refused.push({ id, url, reason });
    if (note !== undefined) notes.set(hostname, note);
    return reason === undefined;
  });
  const { services, refused: conflicts } = groupServices(allowed);
  refused.push(...conflicts);
  const interfaces = new Map(services.map(({ hostname }) => [hostname, interfaceOf(hostname, options)]));
  const virtual = [...interfaces].filter(([, name]) => name === VIRTUAL).map(([hostname]) => hostname);
  const { leases, dropped } = allocateLeases(virtual, { ...options, known: options.leases });
  const modes = { ...options, modeOf: (hostname: string) => interfaces.get(hostname)! };
  const spreadable = spreadCandidates(services, modes);
  const spread = spreadNames(spreadable, {
    addresses: options.advertiseIps,
    missing: missingIps(options),
    pinned: pinnedNames(services, modes),
    known: options.spread ?? NOT_SPREAD,
    isRegistrySuffix: (domain) => names.isRegistrySuffix(domain),
  });
  const urls = new Map(endpoints.map(({ id, url }) => [id, url]));
  const routes: Route[] = [];
  const unserved = new Map<string, WithheldName>();
  for (const service of services) {
    const { hostname, port, scheme, wildcard, endpointIds } = service;
    const listenInterface = interfaces.get(hostname)!;
    const refuse = (reason: string): void => {
      refused.push(...endpointIds.map((id) => ({ id, url: urls.get(id)!, reason })));
      unserved.set(hostname, { service: serviceKey(service), listenInterface });
    };
    const portReason = refusePort(port, { listenInterface, allowPorts });
    if (portReason !== undefined) {
      refuse(portReason);
      continue;
    }
    const address = listenInterface === VIRTUAL ? leases.get(hostname) : resolveInterface(listenInterface);
    if (address === undefined) {
      refuse(
        listenInterface === VIRTUAL
          ? `no address is left in ${formatCidr(subnet)}; give net.subnet a larger network`
          : `this machine has no interface or address "${listenInterface}"`,
      );
      continue;
    }
    // The names of other endpoints keep an address only for the time when they are spread again.
    const advertisedIp = spreadable.has(hostname) ? spread.names.get(hostname) : undefined;
    const route: Route = {
      ...service,
      address: advertisedIp === undefined || address === ANY_ADDRESS ? address : advertisedIp,
      localPort: port,
      listenInterface,
      ...(advertisedIp === undefined ? {} : { advertisedIp }),
    };
    routes.push(route);
    const hasOwnPort = port !== HTTP_PORT || ports.has(serviceKey(service));
    if (listenInterface !== VIRTUAL && scheme === "http" && hasOwnPort && !wildcard) {
      routes.push({ ...route, extra: true });
    }
  }
  return { routes: bindOrder(routes), leases, spread, droppedLeases: dropped, refused, unserved, notes };
}

/** Options of {@linkcode allocate}. */
export interface AllocateOptions extends AdvertisedIps {
  readonly leases: Leases;
  /** The addresses that names of shared listeners were given in earlier rounds. */
  readonly spread?: SpreadNames | undefined;
  readonly subnet: Cidr;
  /** Subnets that replace this one at other times. */
  readonly equivalentSubnets: readonly Cidr[];
  /** Service → the port that an earlier round or run gave it. @default {none} */
  readonly ports?: ReadonlyMap<string, number>;
  /** `virtual`, `0.0.0.0`, an address, or the name of an interface. */
  readonly listenInterface: string;
  /** Host name, or `*.suffix` → a value as in `listenInterface`. */
  readonly overrides: Readonly<Record<string, string>>;
  /** Returns the address of an interface; undefined if this machine has none of that name. */
  readonly resolveInterface: (name: string) => string | undefined;
  /** Returns a number in [0, 1), for the addresses of new names. */
  readonly random: () => number;
  /** Decides which names endpoints may have on this machine. */
  readonly names: Pick<NamePolicy, "judge" | "revision" | "isRegistrySuffix">;
  /** The ports below 1024 that endpoints may use in network mode, besides those of DNS and web. */
  readonly allowPorts: readonly number[];
}

/** The wanted routes, leases and refusals. */
export interface Plan {
  /** The routes in the order in which they get ports: tcp last (docs/compatibility.md 4.8). */
  readonly routes: readonly Route[];
  readonly leases: Leases;
  readonly spread: SpreadNames;
  readonly droppedLeases: readonly DroppedLease[];
  readonly refused: readonly RefusedEndpoint[];
  /** Allowed names, each with a service of theirs that gets no route. They must not resolve. */
  readonly unserved: ReadonlyMap<string, WithheldName>;
  /** Host name → what is unusual about it. */
  readonly notes: ReadonlyMap<string, string>;
}

/** Sorts listeners on every address before those on one address, which they may replace. */
function bindOrder(routes: readonly Route[]): Route[] {
  const rank = (route: Route) =>
    route.extra ? 4 : (route.address === ANY_ADDRESS ? 0 : 2) + (route.scheme === "tcp" ? 1 : 0);
  return routes.toSorted((a, b) => rank(a) - rank(b));
}

/** Returns the configured mode of a host name: `virtual`, or an address or interface. */
export function interfaceOf(
  hostname: string,
  options: Pick<AllocateOptions, "overrides" | "listenInterface">,
): string {
  const { overrides, listenInterface } = options;
  if (Object.keys(overrides).length === 0) return listenInterface;
  const names = [hostname, ...parentDomains(hostname).map((suffix) => `*.${suffix}`)];
  const name = names.find((candidate) => Object.hasOwn(overrides, candidate));
  return name === undefined ? listenInterface : overrides[name]!;
}
