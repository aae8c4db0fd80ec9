import { type Cidr, cidrContains, cidrSize, formatCidr, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";

/** Which address belongs to which host name, in the order in which they were given. */
export type Leases = ReadonlyMap<string, string>;

/** The network address and the gateway `.1` are never given out. */
const RESERVED_LOW = 2;

/** What leases are given from. */
export interface LeaseOptions {
  readonly known: Leases;
  readonly subnet: Cidr;
  /** Subnets that are used in place of this one at other times: an address of theirs stands for the one at the same place here. @default None */
  readonly equivalentSubnets?: readonly Cidr[];
}

/** The new leases, the names for which no address is left, and the known leases that cannot be kept as they are. */
export interface LeaseResult {
  readonly leases: Leases;
  readonly exhausted: readonly string[];
  /** Name, address and reason, one sentence each. */
  readonly dropped: readonly string[];
}

/**
 * Gives every host name an address of the subnet: the one that it had, or the one at the same place as in a twin (so that a start with the
 * one and then with the other gives all their addresses again), else the first that nobody ever had, else (under pressure) that of
 * the name that has been away and was given its address first. Network, gateway and broadcast address are never used.
 */
export function allocateLeases(hostnames: readonly string[], options: LeaseOptions): LeaseResult {
  const { known, subnet, equivalentSubnets = [] } = options;
  const leases = new Map<string, string>();
  const used = new Set<number>();
  const dropped: string[] = [];
  let next = subnet.base + RESERVED_LOW;
  for (const [hostname, address] of known) {
    const value = fromEquivalent(parseIpv4(address), { subnet, equivalentSubnets });
    const reason = reasonAgainst(value, { subnet, used });
    if (value === undefined || reason !== undefined) {
      dropped.push(`${hostname} cannot keep ${address}: ${reason}`);
      continue;
    }
    leases.set(hostname, formatIpv4(value));
    used.add(value);
    next = Math.max(next, value + 1);
  }
  const exhausted: string[] = [];
  const wanted = new Set(hostnames);
  const absent = [...leases.keys()].filter((hostname) => !wanted.has(hostname));
  let gap = subnet.base + RESERVED_LOW;
  let evictions = 0;
  function freeAddress(): number | undefined {
    if (isUsable(subnet, next)) return next++;
    while (isUsable(subnet, gap)) {
      if (!used.has(gap)) return gap;
      gap++;
    }
    const evicted = absent[evictions++];
    if (evicted === undefined) return undefined;
    const address = parseIpv4(leases.get(evicted)!);
    leases.delete(evicted);
    return address;
  }
  for (const hostname of wanted) {
    if (leases.has(hostname)) continue;
    const address = freeAddress();
    if (address === undefined) {
      exhausted.push(hostname);
      continue;
    }
    used.add(address);
    leases.set(hostname, formatIpv4(address));
  }
  return { leases, exhausted, dropped };
}

function fromEquivalent(
  address: number | undefined,
  { subnet, equivalentSubnets }: { readonly subnet: Cidr; readonly equivalentSubnets: readonly Cidr[] },
): number | undefined {
  if (address === undefined || cidrContains(subnet, address)) return address;
  const equivalent = equivalentSubnets.find((candidate) => cidrContains(candidate, address));
  return equivalent === undefined ? address : subnet.base + (address - equivalent.base);
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

/** Whether the address may be given out: inside the subnet, not the network, gateway or broadcast address. */
export function isUsable(subnet: Cidr, address: number): boolean {
  return cidrContains(subnet, address) && address >= subnet.base + RESERVED_LOW &&
    address < subnet.base + cidrSize(subnet) - 1;
}
