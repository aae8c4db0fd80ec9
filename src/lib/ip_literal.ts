import { formatIpv4, parseIpv4 } from "./ipv4.ts";

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * Returns the address that a host is, as a Host field or a URL writes it: IPv6 without brackets and
 * in its shortest form, IPv4 within IPv6 (RFC 4291 2.5.5.2) as IPv4. Undefined for a name.
 */
export function ipLiteral(host: string): string | undefined {
  if (parseIpv4(host) !== undefined) return host;
  if (!host.startsWith("[")) return undefined;
  const address = URL.parse(`http://${host}/`)?.hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(address ?? "") ?? [];
  if (high === undefined || low === undefined) return address;
  return formatIpv4(parseInt(high, 16) * 65_536 + parseInt(low, 16));
}

/** Returns true for an IPv4 or IPv6 address, without brackets; no name contains a colon. */
export function isAddress(host: string): boolean {
  return parseIpv4(host) !== undefined || host.includes(":");
}
