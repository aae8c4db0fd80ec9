import { ipLiteral } from "./ip_literal.ts";

const GROUP = /^[0-9a-f]{1,4}$/i;

/** Returns the first 64 bits of an IPv6 address in one spelling; undefined for any other text. */
export function ipv6Network(address: string): string | undefined {
  const [text = ""] = address.split("%");
  const [head = [], tail, rest] = text.split("::").map((part) => part === "" ? [] : part.split(":"));
  if (rest !== undefined) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...(tail ?? [])];
  if (!groups.every((group) => GROUP.test(group))) return undefined;
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":");
}

/** Returns the short form (RFC 5952) of an IPv6 address of 16 octets. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = bytes.toHex().match(/.{4}/g)!.join(":");
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}

/** The name or number of an interface (RFC 4007 11.2). */
const ZONE = /^[A-Za-z0-9_.-]{1,15}$/;

/**
 * Returns the short form (RFC 5952) of an IPv6 address, with its zone (`fe80::1%eth0`), and an
 * IPv4-mapped one as IPv4; undefined for any other text.
 */
export function normalizeIpv6(text: string): string | undefined {
  const [address = "", zone, rest] = text.split("%");
  if (rest !== undefined || (zone !== undefined && !ZONE.test(zone))) return undefined;
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(address)) return undefined;
  const short = ipLiteral(`[${address}]`);
  return short?.includes(":") && zone !== undefined ? `${short}%${zone}` : short;
}

/** Returns an address without its zone. */
export function withoutZone(address: string): string {
  const at = address.indexOf("%");
  return at === -1 ? address : address.slice(0, at);
}

/** Returns true for a normalised address of fe80::/10, which means nothing without its zone. */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(address);
}
