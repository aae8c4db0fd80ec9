import { normalizeHostname } from "./hostname.ts";

/** Without the names below `localhost`, because a resolver may ask the network for them. */
const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

/** Returns true if a host, as `URL` spells it, is this machine by its name or address. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK.test(normalizeHostname(hostname));
}
