import { type Cidr, cidrContains, cidrSize, formatCidr, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";
import { FreeAddresses } from "./free_addresses.ts";

/** Host name → address, in the order in which the addresses were given. */
export type Leases = ReadonlyMap<string, string>;

/** The network address and the gateway `.1` are never leased. */
const RESERVED_LOW = 2;

/**
 * Leases an address of the subnet to every host name. A name gets the address that it had, or the
 * one with the same offset as in an equivalent subnet, so that it has both addresses again after a
 * start with either. Otherwise it gets a random address that was never leased, so that nobody can
 * take the ports of the next address in advance; if there is none, the address of the absent name
 * that was leased first.
 */
export function allocateLeases(hostnames: readonly string[], options: LeaseOptions): LeaseResult {
  const { known, subnet, equivalentSubnets } = options;
  const leases = new Map<string, string>();
  const used = new Set<number>();
  const dropped: DroppedLease[] = [];
  for (const [hostname, address] of known) {
    const value = translate(parseIpv4(address), { subnet, equivalentSubnets });
    const reason = reasonAgainst(value, { subnet, used });
    if (reason !== undefined) {
      dropped.push({ hostname, address, reason });
      continue;
    }
    leases.set(hostname, formatIpv4(value!));
    used.add(value!);
  }
  const wanted = new Set(hostnames);
  const absent = [...leases.keys()].filter((hostname) => !wanted.has(hostname));
  const free = new FreeAddresses(used, { ...usableRange(subnet), random: options.random });
  let evictions = 0;
  function nextAddress(): number | undefined {
    const address = free.take();
    if (address !== undefined) return address;
    const evicted = absent[evictions++];
    if (evicted === undefined) return undefined;
    const left = parseIpv4(leases.get(evicted)!);
    leases.delete(evicted);
    return left;
  }
  for (const hostname of wanted) {
    if (leases.has(hostname)) continue;
    const address = nextAddress();
    if (address === undefined) continue;
    leases.set(hostname, formatIpv4(address));
  }
  return { leases, dropped };
}

/** Options of {@linkcode allocateLeases}. */
export interface LeaseOptions {
  readonly known: Leases;
  readonly subnet: Cidr;
  /** Subnets that replace this one at other times. */
  readonly equivalentSubnets: readonly Cidr[];
  /** Returns a number in [0, 1) that nobody can predict. */
  readonly random: () => number;
}

/** The result of {@linkcode allocateLeases}. */
export interface LeaseResult {
  /** The leases, without the names for which no address is left. */
  readonly leases: Leases;
  readonly dropped: readonly DroppedLease[];
}

/** A known lease that cannot be kept. */
export interface DroppedLease {
  readonly hostname: string;
  readonly address: string;
  readonly reason: string;
}

/** Returns all but the network, gateway and broadcast address of the subnet. */
export function usableRange(subnet: Cidr): { readonly first: number; readonly last: number } {
  return { first: subnet.base + RESERVED_LOW, last: subnet.base + cidrSize(subnet) - 2 };
}

function isUsable(subnet: Cidr, address: number): boolean {
  const { first, last } = usableRange(subnet);
  return cidrContains(subnet, address) && address >= first && address <= last;
}

/** Moves an address of an equivalent subnet to the same offset in this one. */
function translate(
  address: number | undefined,
  { subnet, equivalentSubnets }: Pick<LeaseOptions, "subnet" | "equivalentSubnets">,
): number | undefined {
  if (address === undefined || cidrContains(subnet, address)) return address;
  const other = equivalentSubnets.find((candidate) => cidrContains(candidate, address));
  return other === undefined ? address : subnet.base + (address - other.base);
}

function reasonAgainst(
  address: number | undefined,
  options: { readonly subnet: Cidr; readonly used: ReadonlySet<number> },
): string | undefined {
  const { subnet, used } = options;
  if (address === undefined) return "it is not an IPv4 address";
  if (!cidrContains(subnet, address)) return `it is not in ${formatCidr(subnet)}`;
  if (!isUsable(subnet, address)) return `it is reserved in ${formatCidr(subnet)}`;
  return used.has(address) ? "another name has it" : undefined;
}
