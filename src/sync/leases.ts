import { type Cidr, cidrContains, cidrSize, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";

/** Which address belongs to which host name, in the order in which they were given. */
export type Leases = ReadonlyMap<string, string>;

/** The network address and the gateway `.1` are never given out. */
const RESERVED_LOW = 2;

/** What leases are given from. */
export interface LeaseOptions {
  readonly known: Leases;
  readonly subnet: Cidr;
}

/** The new leases, and the names for which no address is left. */
export interface LeaseResult {
  readonly leases: Leases;
  readonly exhausted: readonly string[];
}

/**
 * Gives every host name an address of the subnet: the one that it had, else the first that nobody ever had, else (under pressure) that of
 * the name that has been away and was given its address first. Network, gateway and broadcast address are never used.
 */
export function allocateLeases(hostnames: readonly string[], options: LeaseOptions): LeaseResult {
  const { known, subnet } = options;
  const leases = new Map<string, string>();
  const used = new Set<number>();
  let next = subnet.base + RESERVED_LOW;
  for (const [hostname, address] of known) {
    const value = parseIpv4(address);
    if (value === undefined || !isUsable(subnet, value) || used.has(value)) continue;
    leases.set(hostname, address);
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
  return { leases, exhausted };
}

/** Whether the address may be given out: inside the subnet, not the network, gateway or broadcast address. */
export function isUsable(subnet: Cidr, address: number): boolean {
  return cidrContains(subnet, address) && address >= subnet.base + RESERVED_LOW &&
    address < subnet.base + cidrSize(subnet) - 1;
}
