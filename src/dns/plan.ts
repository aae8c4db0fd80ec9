import type { Config } from "../config/config.ts";
import { parseListenAddress } from "../config/listen_address.ts";
import { type Cidr, cidrContains, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";
import { EVERYWHERE, type Route } from "../model/route_table.ts";
import { LOOPBACK } from "../network/loopback.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import type { TcpAddress } from "../system/net.ts";

const PORT = 53;
const LOCALHOST = "127.0.0.1";
/** As Linux and macOS call theirs. */
const LOOPBACK_INTERFACES: ReadonlySet<string> = new Set(["lo", "lo0"]);

/** What the plan for DNS is made from. */
export interface DnsPlanInput {
  readonly config: Pick<Config, "net" | "dns">;
  readonly routes: readonly Route[];
  /** The subnet that virtual addresses are really of. */
  readonly subnet: Cidr;
  /** The IPv4 addresses of this machine. */
  readonly own: readonly string[];
  /** The address of an interface of this machine, or the address itself; undefined if there is none. */
  readonly resolveInterface: (name: string) => string | undefined;
}

/** What the DNS server should do. */
export interface DnsPlan {
  /** Where it should listen; empty if it is not needed. The first is the one that this machine itself is told to ask. */
  readonly addresses: readonly TcpAddress[];
  /** The names and wildcards that this machine itself finds by our server only. */
  readonly domains: readonly string[];
  /** Whether listeners are shared with the network. */
  readonly networkMode: boolean;
}

/** Where to listen, and for whom: in network mode always, in virtual mode for wildcards (COMPAT.md 4.8). Pure. */
export function planDns(input: DnsPlanInput): DnsPlan {
  const { config: { net, dns }, routes } = input;
  const targets = networkTargets(net);
  const networkMode = targets.length > 0;
  const domains = [
    ...new Set(
      routes.filter((route) => route.mode !== VIRTUAL || route.wildcard).map((route) => route.hostname),
    ),
  ];
  const needed = dns.enabled || networkMode || domains.length > 0;
  return {
    addresses: needed ? listenAddresses(targets, input) : [],
    domains,
    networkMode,
  };
}

/** Whether any listener is shared with a network. */
export function isNetworkMode(net: Config["net"]): boolean {
  return networkTargets(net).length > 0;
}

/** Whether a listener of this mode may be reached from outside this machine, so that its name says something to others. */
export function isShared(mode: string): boolean {
  if (mode === VIRTUAL || LOOPBACK_INTERFACES.has(mode)) return false;
  const value = parseIpv4(mode);
  return value === undefined || !cidrContains(LOOPBACK, value);
}

/** Who may ask: this machine; in network mode the networks that the user allows too. */
export function allowsClient(
  address: string,
  options: { readonly isLocal: boolean; readonly networkMode: boolean; readonly allowed: readonly Cidr[] },
): boolean {
  const { isLocal, networkMode, allowed } = options;
  if (isLocal) return true;
  const value = parseIpv4(address);
  return networkMode && value !== undefined && allowed.some((network) => cidrContains(network, value));
}

/** Whether an address is of this machine. */
export function isLocalAddress(
  address: string,
  options: { readonly own: ReadonlySet<string>; readonly subnet: Cidr },
): boolean {
  const { own, subnet } = options;
  if (own.has(address)) return true;
  const value = parseIpv4(address);
  return value !== undefined && (cidrContains(LOOPBACK, value) || cidrContains(subnet, value));
}

function networkTargets({ listenInterface, overrides }: Config["net"]): string[] {
  const targets = new Set([listenInterface, ...Object.values(overrides)]);
  return [...targets].filter(isShared);
}

function listenAddresses(targets: readonly string[], input: DnsPlanInput): TcpAddress[] {
  const { config: { dns }, subnet, own, resolveInterface } = input;
  const { address, port = PORT } = parseListenAddress(dns.listen);
  if (address !== undefined && address !== EVERYWHERE) return [{ address, port }];
  const gateway = formatIpv4(subnet.base + 1);
  const wanted = [gateway];
  if (targets.length > 0 || address === EVERYWHERE) wanted.push(LOCALHOST);
  // UDP must answer from the address that was asked: each has a socket of its own.
  if (targets.includes(EVERYWHERE) || address === EVERYWHERE) wanted.push(...own);
  for (const target of targets) {
    const found = target === EVERYWHERE ? undefined : resolveInterface(target);
    if (found !== undefined) wanted.push(found);
  }
  return [...new Set(wanted)].map((each) => ({ address: each, port }));
}

/** What is answered for a route's name; undefined: the address that the question came to. */
export function answerFor(route: Route, advertiseIp: string): string | undefined {
  if (!isShared(route.mode)) return route.address;
  if (advertiseIp !== "") return advertiseIp;
  return route.address === EVERYWHERE ? undefined : route.address;
}
