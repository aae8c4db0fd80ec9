import { type Cidr, cidrsOverlap, formatCidr, isSameCidr } from "../lib/ipv4.ts";
import type { IpRoute } from "./ip_output.ts";

/** Shorter routes replace the default route of a VPN for all traffic; they do not count. */
export const SHORTEST_PREFIX = 8;
const PREFIX = 16;
const TEN = 10 * 256;
const SIXTEEN_NETWORKS = 172 * 256 + 16;
/** The second octet of the default subnet. */
const DEFAULT = 107;
const HOME = 192 * 256 + 168;

/**
 * Chooses the wanted subnet if it is free, unless the remembered one is in use; else the first free
 * one of the remembered subnet and the private /16 networks; undefined if none is free.
 *
 * The order of the /16s is fixed, so that equal machines choose equally: upwards from the wanted
 * one in 10.0.0.0/8, which has the most room (other software uses its low end, so that comes last),
 * then 172.16 to 172.31, which containers use, then 192.168, which homes use.
 */
export function chooseSubnet(wanted: Cidr, options: ChooseOptions): SubnetChoice | undefined {
  const { routes, remembered, isInUse = false } = options;
  const conflict = (subnet: Cidr) =>
    routes.find(({ to }) => to.prefix >= SHORTEST_PREFIX && cidrsOverlap(to, subnet));
  const usedInstead = (subnet: Cidr) => `${formatCidr(subnet)} is used instead of ${formatCidr(wanted)}`;
  const free = candidateNetworks(wanted).filter((candidate) => !conflict(candidate));
  // The remembered subnet is from a file. One that could not have been chosen is ignored, because a
  // route to it could cut this machine off.
  const kept = remembered && free.find((candidate) => isSameCidr(candidate, remembered));
  const taken = conflict(wanted);
  if (taken === undefined) {
    if (kept === undefined || !isInUse) return { subnet: wanted };
    return {
      subnet: kept,
      reason: `${usedInstead(kept)}: ${formatCidr(wanted)} was in use; to return to it: ngrokctl rebind`,
    };
  }
  const subnet = kept ?? free[0];
  return subnet && { subnet, reason: `${usedInstead(subnet)}: ${describe(taken)}` };
}

/** The conditions of the choice, beside the wanted subnet. */
export interface ChooseOptions {
  /** All routes of this machine except our own. */
  readonly routes: readonly IpRoute[];
  /** The earlier choice for the same subnet. */
  readonly remembered?: Cidr | undefined;
  /** True if this run has leased addresses of the remembered subnet. @default {false} */
  readonly isInUse?: boolean;
}

/** A subnet that nothing on this machine uses, and the reason why it is not the wanted one. */
export interface SubnetChoice {
  readonly subnet: Cidr;
  readonly reason?: string;
}

/** Returns true if {@linkcode chooseSubnet} can take the second subnet instead of the first. */
export function canReplace(wanted: Cidr, subnet: Cidr): boolean {
  return candidateNetworks(wanted).some((candidate) => isSameCidr(candidate, subnet));
}

function describe({ to, dev }: IpRoute): string {
  return `this machine has a route to ${formatCidr(to)}${dev === "" ? "" : ` (dev ${dev})`}`;
}

function candidateNetworks(wanted: Cidr): Cidr[] {
  const start = wanted.base >>> 24 === 10 ? (wanted.base >>> 16) & 255 : DEFAULT;
  const upper = [
    ...Array.from({ length: 255 }, (_, index) => TEN + (start + 1 + index) % 256),
    ...Array.from({ length: 16 }, (_, index) => SIXTEEN_NETWORKS + index),
    HOME,
  ];
  return upper.map((network) => ({ base: network * 2 ** PREFIX, prefix: PREFIX }));
}
