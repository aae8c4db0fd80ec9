import { type Cidr, cidrsContain, LOOPBACK, parseIpv4 } from "../lib/ipv4.ts";

/**
 * Returns true if a peer may connect or send queries. A program on this machine may always, and
 * where something is shared, so may a client in the allowed networks (docs/decisions/0006).
 */
export function admitPeer(peer: string, options: AdmitOptions): boolean {
  const { isShared, allowed } = options;
  return (isShared && cidrsContain(allowed, peer)) || isLocalPeer(peer, options);
}

/**
 * Returns true for a program on this machine. Normally it connects from the very address that it
 * connects to, which is own, loopback or virtual.
 */
export function isLocalPeer(peer: string, { virtual, isOwn }: LocalOptions): boolean {
  return cidrsContain([...virtual, LOOPBACK], peer) || (parseIpv4(peer) !== undefined && isOwn(peer));
}

/** The addresses of this machine. */
export interface LocalOptions {
  /** The subnets of virtual addresses. */
  readonly virtual: readonly Cidr[];
  /** Returns true for an IPv4 address of an interface. */
  readonly isOwn: (address: string) => boolean;
}

/** The rule for a peer. */
export interface AdmitOptions extends LocalOptions {
  /** True if other machines may reach the listener or the DNS server. */
  readonly isShared: boolean;
  /** The networks whose clients may use what is shared. */
  readonly allowed: readonly Cidr[];
}
