import { type Cidr, cidrsOverlap, formatCidr } from "../lib/ipv4.ts";
import type { IpRoute } from "./ip_output.ts";

/** What the choice depends on, beside the subnet that was asked for. */
export interface ChooseOptions {
  /** All routes of this machine but our own. */
  readonly routes: readonly IpRoute[];
  /** What was chosen for the same subnet before. */
  readonly remembered?: Cidr | undefined;
}

/** A subnet that nothing on this machine uses, and why it is not the one that was asked for. */
export interface SubnetChoice {
  readonly subnet: Cidr;
  readonly reason?: string;
}

/** A VPN that takes all traffic says so with two or more wide routes instead of a default route: that is no network in use. */
const SHORTEST_PREFIX = 8;
const PREFIX = 16;
const TEN = 10 * 256;
const SIXTEEN_NETWORKS = 172 * 256 + 16;
/** The second octet of the default subnet. */
const DEFAULT = 107;
const HOME = 192 * 256 + 168;

/**
 * The remembered subnet, else the wanted one, else the first private /16, whichever is free first; undefined if none is.
 *
 * The order of the /16s is fixed, so that two machines alike choose alike: up from the wanted one in 10.0.0.0/8, which has by far the most
 * room (its low end, where other software starts too, comes last), then 172.16 to 172.31, which containers use, then the one that homes use.
 */
export function chooseSubnet(wanted: Cidr, options: ChooseOptions): SubnetChoice | undefined {
  const { routes, remembered } = options;
  const conflict = (subnet: Cidr) =>
    routes.find(({ to }) => to.prefix >= SHORTEST_PREFIX && cidrsOverlap(to, subnet));
  const usedInstead = (subnet: Cidr) => `${formatCidr(subnet)} is used instead of ${formatCidr(wanted)}`;
  const free = privateNetworks(wanted).filter((candidate) => !conflict(candidate));
  // Never a network that could not have been chosen, whatever stands in a file: a route to it could cut this machine off.
  const kept = remembered && free.find((candidate) => formatCidr(candidate) === formatCidr(remembered));
  const taken = conflict(wanted);
  if (taken === undefined) {
    if (kept === undefined) return { subnet: wanted };
    return { subnet: kept, reason: `${usedInstead(kept)}: it was chosen while that was in use` };
  }
  const subnet = kept ?? free[0];
  return subnet && { subnet, reason: `${usedInstead(subnet)}: ${describe(taken)}` };
}

function describe({ to, dev }: IpRoute): string {
  return `this machine has a route to ${formatCidr(to)}${dev === "" ? "" : ` (dev ${dev})`}`;
}

function privateNetworks(wanted: Cidr): Cidr[] {
  const start = wanted.base >>> 24 === 10 ? (wanted.base >>> 16) & 255 : DEFAULT;
  const upper = [
    ...Array.from({ length: 255 }, (_, index) => TEN + (start + 1 + index) % 256),
    ...Array.from({ length: 16 }, (_, index) => SIXTEEN_NETWORKS + index),
    HOME,
  ];
  return upper.map((network) => ({ base: network * 2 ** PREFIX, prefix: PREFIX }));
}
