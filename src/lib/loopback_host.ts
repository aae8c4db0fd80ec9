import { normalizeHostname } from "./hostname.ts";
import { isLoopbackAddress } from "./ipv4.ts";

/**
 * Returns true if a host, as `URL` spells it, is this machine by its name or address. Names below
 * `localhost` are not, because a resolver may ask the network for them.
 */
export function isLoopbackHost(hostname: string): boolean {
  const host = normalizeHostname(hostname);
  return host === "localhost" || host === "[::1]" || isLoopbackAddress(host);
}

/** Returns true for the names (normalised) of RFC 6761 6.3: `localhost` and all below it. */
export function isLocalhostName(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}
