import { type Cidr, cidrContains, parseIpv4 } from "../lib/ipv4.ts";
import { LOOPBACK } from "./loopback_subnet.ts";

/**
 * Returns true if a peer may connect to a listener (`address:port`). Linux accepts packets for its
 * addresses on every interface, so that a neighbour with a route to our subnet reaches virtual
 * listeners. These serve only this machine: a local client normally connects from the very address
 * that it connects to. Other listeners also serve the allowed networks (docs/decisions/0006).
 */
export function admitPeer(
  { peer, listener }: { readonly peer: string; readonly listener: string },
  options: AdmitOptions,
): boolean {
  const { virtual, allowed, ownAddresses } = options;
  const local = parseIpv4(listener.slice(0, listener.lastIndexOf(":")));
  const remote = parseIpv4(peer);
  if (remote === undefined) return false;
  const isIn = (networks: readonly Cidr[], address: number) =>
    networks.some((network) => cidrContains(network, address));
  const isShared = local === undefined || !isIn(virtual, local);
  if (isShared && isIn(allowed(), remote)) return true;
  return isIn([...virtual, LOOPBACK], remote) || ownAddresses().includes(peer);
}

/** The networks and addresses that decide about a peer. */
export interface AdmitOptions {
  /** The subnets of virtual addresses. */
  readonly virtual: readonly Cidr[];
  /** The networks that may connect to shared listeners. */
  readonly allowed: () => readonly Cidr[];
  /** The IPv4 addresses of this machine. */
  readonly ownAddresses: () => readonly string[];
}
