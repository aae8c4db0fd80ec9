/** An IPv4 network: the lowest address as an unsigned 32-bit number, and the number of leading bits that name it. */
export interface Cidr {
  readonly base: number;
  readonly prefix: number;
}

const OCTET = /^(0|[1-9][0-9]{0,2})$/;

/** Reads dotted-quad text as an unsigned 32-bit number; undefined for anything else (leading zeros included). */
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

/** Dotted-quad text of an unsigned 32-bit number. */
export function formatIpv4(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");
}

/** Reads `a.b.c.d/n`; undefined if it is not that. Host bits are cleared. */
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

/** `a.b.c.d/n` of a network. */
export function formatCidr(cidr: Cidr): string {
  return `${formatIpv4(cidr.base)}/${cidr.prefix}`;
}

/** How many addresses the network holds. */
export function cidrSize(cidr: Cidr): number {
  return 2 ** (32 - cidr.prefix);
}

/** Whether the address (unsigned 32-bit) lies in the network. */
export function cidrContains(cidr: Cidr, address: number): boolean {
  return maskOf(cidr.prefix, address) === cidr.base;
}

/** Whether two networks have an address in common. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return a.prefix <= b.prefix ? cidrContains(a, b.base) : cidrContains(b, a.base);
}

function maskOf(prefix: number, value: number): number {
  return prefix === 0 ? 0 : (value & (0xffffffff << (32 - prefix))) >>> 0;
}
