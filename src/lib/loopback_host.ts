import { normalizeHostname } from "./hostname.ts";

/** Includes all names below `localhost` (RFC 6761 6.3). */
const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

/** Returns true if a host, as `URL` spells it, is this machine by its name or address. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK.test(normalizeHostname(hostname));
}
