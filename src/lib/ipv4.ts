/** An IPv4 network: its lowest address as an unsigned 32-bit number, and its prefix length. */
export interface Cidr {
  readonly base: number;
  readonly prefix: number;
}

/** 127.0.0.0/8. */
export const LOOPBACK: Cidr = { base: 127 * 2 ** 24, prefix: 8 };

const OCTET = /^(0|[1-9][0-9]{0,2})$/;

/**
 * Parses `a.b.c.d` to an unsigned 32-bit number; undefined for any other text, and for leading
 * zeros.
 */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!OCTET.test(part)) return undefined;
    const octet = Number(part);
    if (octet > 255) return undefined;
    value = value * 256 + octet;
  }
  return value;
}

/** Returns true if the subnet lies within 127.0.0.0/8. */
export function isLoopbackSubnet(subnet: Cidr): boolean {
  return cidrIncludes(LOOPBACK, subnet);
}

/** Returns true for an address of 127.0.0.0/8. */
export function isLoopbackAddress(text: string): boolean {
  const value = parseIpv4(text);
  return value !== undefined && cidrContains(LOOPBACK, value);
}

/** Formats an unsigned 32-bit number as `a.b.c.d`. */
export function formatIpv4(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");
}

/** Parses `a.b.c.d/n` and clears the host bits; undefined for any other text. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, bits, rest] = text.split("/");
  if (address === undefined || bits === undefined || rest !== undefined || !OCTET.test(bits)) {
    return undefined;
  }
  const value = parseIpv4(address);
  const prefix = Number(bits);
  if (value === undefined || prefix > 32) return undefined;
  return { base: maskOf(prefix, value), prefix };
}

/** Formats a network as `a.b.c.d/n`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatIpv4(cidr.base)}/${cidr.prefix}`;
}

/** Returns true if both are the same network. */
export function isSameCidr(a: Cidr, b: Cidr): boolean {
  return a.base === b.base && a.prefix === b.prefix;
}

/** Returns true if a network lies within another one. */
export function cidrIncludes(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix <= inner.prefix && cidrContains(outer, inner.base);
}

/** Returns the number of addresses in the network. */
export function cidrSize(cidr: Cidr): number {
  return 2 ** (32 - cidr.prefix);
}

/** Returns true if the network contains the address, an unsigned 32-bit number. */
export function cidrContains(cidr: Cidr, address: number): boolean {
  return maskOf(cidr.prefix, address) === cidr.base;
}

/** Returns true if one of the networks contains the address, as text of any form. */
export function cidrsContain(cidrs: readonly Cidr[], address: string): boolean {
  const number = parseIpv4(address);
  return number !== undefined && cidrs.some((cidr) => cidrContains(cidr, number));
}

/** Returns true if two networks have an address in common. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return a.prefix <= b.prefix ? cidrContains(a, b.base) : cidrContains(b, a.base);
}

function maskOf(prefix: number, value: number): number {
  return prefix === 0 ? 0 : (value & (0xffffffff << (32 - prefix))) >>> 0;
}
