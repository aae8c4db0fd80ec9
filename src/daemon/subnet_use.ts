import type { Cidr } from "../lib/ipv4.ts";
import { listenerKey } from "../model/route_table.ts";
import type { Traffic } from "../model/traffic.ts";
import { isIn } from "../network/subnet_watch.ts";
import type { EndpointOutcome } from "../sync/round.ts";

/** A lease is in use for so long after its last byte: its client may still have the address. */
const QUIET_MS = 5 * 60_000;

/** Returns true while a connection to an address of the subnet runs, or a lease in it is in use. */
export function isSubnetInUse(subnet: Cidr, options: SubnetUseOptions): boolean {
  const { countConnections, outcomes, traffic, nowMs } = options;
  const isInside = isIn(subnet);
  if (countConnections(isInside) > 0) return true;
  return outcomes.some(({ endpoint, route }) => {
    if (route === undefined || !isInside(listenerKey(route.address, route.localPort))) return false;
    const { lastActivity } = traffic(endpoint.id);
    return lastActivity !== undefined && nowMs - lastActivity < QUIET_MS;
  });
}

/** The connections, endpoints and time of {@linkcode isSubnetInUse}. */
export interface SubnetUseOptions {
  /** Counts the connections to matching listeners, by their keys. */
  readonly countConnections: (matches: (key: string) => boolean) => number;
  readonly outcomes: readonly Pick<EndpointOutcome, "endpoint" | "route">[];
  readonly traffic: (endpointId: string) => Traffic;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}
