import type { Config } from "../config/config.ts";
import { parseListenAddress } from "../config/listen_address.ts";
import { type Cidr, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";
import { isSharedListenMode, VIRTUAL } from "../model/listen_mode.ts";
import { LOCALHOST } from "../model/machine_address.ts";
import {
  answerAddress,
  ANY_ADDRESS,
  clientAddress,
  type Route,
  type RouteTable,
} from "../model/route_table.ts";
import type { TcpAddress } from "../system/tcp.ts";
import { Zone } from "./zone.ts";

const PORT = 53;

/** Plans DNS, which network mode and wildcards need (docs/compatibility.md 4.8). */
export function planDns(input: DnsPlanInput): DnsPlan {
  const { config: { net, dns }, routes } = input;
  const interfaces = sharedInterfaces(net);
  const networkMode = interfaces.length > 0;
  const domains = new Set(
    routes.filter((route) => route.listenInterface !== VIRTUAL || route.wildcard).map((route) =>
      route.hostname
    ),
  );
  const isNeeded = dns.enabled || networkMode || domains.size > 0;
  return {
    addresses: isNeeded ? listenAddresses(interfaces, input) : [],
    domains: [...domains],
    networkMode,
  };
}

/** The values of the plan. */
export interface DnsPlanInput {
  readonly config: Pick<Config, "net" | "dns">;
  readonly routes: readonly Route[];
  /** The subnet in use for virtual addresses. */
  readonly subnet: Cidr;
  /** The IPv4 addresses of this machine. */
  readonly own: readonly string[];
  /** The address of an interface of this machine, or the address itself; undefined if missing. */
  readonly resolveInterface: (name: string) => string | undefined;
}

/** The work of the DNS server. */
export interface DnsPlan {
  /** The addresses to listen on, if a server is needed. The first is for this machine itself. */
  readonly addresses: readonly TcpAddress[];
  /** The names and wildcards that only our server resolves for this machine. */
  readonly domains: readonly string[];
  /** True if listeners are shared with a network. */
  readonly networkMode: boolean;
}

/**
 * Returns the zones for this machine and for other machines, and the number of names that resolve
 * in the larger one.
 */
export function planZones(
  { routes, withheld }: Pick<RouteTable, "routes" | "withheld">,
  options: { readonly advertiseIp: string; readonly refuses: (name: string) => boolean },
): { readonly local: Zone; readonly others: Zone; readonly names: number } {
  const { advertiseIp, refuses } = options;
  const names = [
    ...withheld.entries().map(([hostname, listenInterface]) => ({
      hostname,
      listenInterface,
      address: undefined,
      withheld: true,
    })),
    ...routes.filter(({ hostname }) => !withheld.has(hostname)).map((route) => {
      const { hostname, listenInterface } = route;
      return { hostname, listenInterface, address: answerFor(route, advertiseIp) };
    }),
  ];
  return {
    local: new Zone(names, refuses),
    others: new Zone(names.filter(({ listenInterface }) => isSharedListenMode(listenInterface)), refuses),
    names: new Set(names.map(({ hostname }) => hostname)).size - withheld.size,
  };
}

/**
 * Returns the IPv4 addresses where this machine answers for ngrokd, as unsigned 32-bit numbers: of
 * listeners, of the DNS server, and the advertised one.
 */
export function planOwnAddresses(input: DnsPlanInput, servers: readonly TcpAddress[]): Set<number> {
  const { config: { net }, routes, own } = input;
  const addresses = new Set([
    ...servers.map(({ address }) => address),
    ...routes.flatMap((route) => [route.address, clientAddress(route)]),
    ...(isNetworkMode(net) ? [net.advertiseIp] : []),
  ]);
  if (addresses.delete(ANY_ADDRESS)) { for (const address of own) addresses.add(address); }
  return new Set([...addresses].map(parseIpv4).filter((address) => address !== undefined));
}

/** Returns true if any listener is shared with a network. */
export function isNetworkMode(net: Config["net"]): boolean {
  return sharedInterfaces(net).length > 0;
}

/**
 * Returns the address in the answer for a route; undefined for the address that received the query.
 */
function answerFor(route: Route, advertiseIp: string): string | undefined {
  const address = answerAddress(route, advertiseIp);
  return address === ANY_ADDRESS ? undefined : address;
}

function sharedInterfaces({ listenInterface, overrides }: Config["net"]): string[] {
  const interfaces = new Set([listenInterface, ...Object.values(overrides)]);
  return [...interfaces].filter(isSharedListenMode);
}

function listenAddresses(interfaces: readonly string[], input: DnsPlanInput): TcpAddress[] {
  const { config: { dns }, subnet, own, resolveInterface } = input;
  const { address, port = PORT } = parseListenAddress(dns.listen);
  if (address !== undefined && address !== ANY_ADDRESS) return [{ address, port }];
  const gateway = formatIpv4(subnet.base + 1);
  const wanted = [gateway];
  if (interfaces.length > 0 || address === ANY_ADDRESS) wanted.push(LOCALHOST);
  // A UDP reply must come from the address of the query, so each address has its own socket.
  if (interfaces.includes(ANY_ADDRESS) || address === ANY_ADDRESS) wanted.push(...own);
  for (const listenInterface of interfaces) {
    const found = listenInterface === ANY_ADDRESS ? undefined : resolveInterface(listenInterface);
    if (found !== undefined) wanted.push(found);
  }
  return [...new Set(wanted)].map((each) => ({ address: each, port }));
}
