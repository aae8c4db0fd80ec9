import { type Cidr, cidrContains, formatIpv4, LOOPBACK, parseCidr } from "../lib/ipv4.ts";
import { formatIpv6 } from "../lib/ipv6.ts";

/**
 * Networks that lead to this machine or its link: 0.0.0.0/8, because Linux connects 0.0.0.0 to
 * itself, 127.0.0.0/8 and 169.254.0.0/16, where clouds keep the credentials of a machine.
 */
const ALWAYS: readonly Cidr[] = [LOOPBACK, parseCidr("0.0.0.0/8")!, parseCidr("169.254.0.0/16")!];
/** IPv6 prefixes of 96 bits that carry an IPv4 address: mapped, compatible and NAT64. */
const EMBEDDING = ["00000000000000000000ffff", "000000000000000000000000", "0064ff9b0000000000000000"];

/**
 * Returns the text of an address that leads to this machine, its link, or a listener of ngrokd;
 * undefined for any other. Of IPv6 these are ::1, ::, fe80::/10, and IPv4 addresses as above in
 * ::ffff:0:0/96, ::/96 and 64:ff9b::/96. ngrokd listens on no IPv6 address.
 */
export function localAddressText(bytes: Uint8Array, own: OwnAddresses): string | undefined {
  if (bytes.length === 4) {
    const address = ipv4At(bytes, 0);
    return isLocal(address, own) ? formatIpv4(address) : undefined;
  }
  const isLinkLocal = bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
  const isEmbedded = EMBEDDING.includes(bytes.subarray(0, 12).toHex()) && isLocal(ipv4At(bytes, 12), own);
  return isLinkLocal || isEmbedded ? formatIpv6(bytes) : undefined;
}

/** The addresses of ngrokd. */
export interface OwnAddresses {
  /** The subnet of virtual addresses. */
  readonly subnet: Cidr;
  /** The IPv4 addresses of the listeners and of the DNS server, as unsigned 32-bit numbers. */
  readonly listeners: ReadonlySet<number>;
}

function isLocal(address: number, { subnet, listeners }: OwnAddresses): boolean {
  return listeners.has(address) || cidrContains(subnet, address) ||
    ALWAYS.some((network) => cidrContains(network, address));
}

function ipv4At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}
