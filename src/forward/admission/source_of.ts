import { formatIpv4, isLoopbackAddress, parseIpv4 } from "../../lib/ipv4.ts";
import { ipv6Network } from "../../lib/ipv6.ts";

/**
 * Returns the network that a client on the LAN shares its slots with: its /24, or its /64 with
 * IPv6. Undefined for a program on this machine, which connects from the address that it connects
 * to, or from 127.0.0.0/8: its user cannot be known, so only the endpoint counts.
 */
export function sourceOf({ peer, local }: Client): string | undefined {
  if (peer === local || isLoopbackAddress(peer) || peer === "::1") return undefined;
  const address = parseIpv4(peer);
  if (address !== undefined) return `${formatIpv4(address - address % 256)}/24`;
  const network = ipv6Network(peer);
  return network === undefined ? peer : `${network}::/64`;
}

/** The address of a client, and the address of this machine that it connected to. */
export interface Client {
  readonly peer: string;
  readonly local?: string | undefined;
}
