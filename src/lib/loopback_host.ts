import { normalizeHostname } from "./hostname.ts";

/** The whole of `localhost` is this machine: RFC 6761 6.3. */
const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

/** Whether a host, as `URL` spells it, is this machine by its name or address alone. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK.test(normalizeHostname(hostname));
}
