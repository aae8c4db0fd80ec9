import { isAddress } from "../lib/ip_literal.ts";
import { isLoopbackHost } from "../lib/loopback_host.ts";
import { dialTcp } from "./dial_tcp.ts";
import { lookupHost } from "./lookup_host.ts";
import { openOwnProxy, type OwnProxy } from "./proxy/own_proxy.ts";
import { hasWorkingAddress, type HostPort } from "./working_address.ts";

/**
 * Returns a proxy that dials a host for the runtime's HTTP client, unless the host has one address
 * only. The client tries the next address of a family only after the kernel has given up the first
 * one, minutes later. It would look the name up again, so that a connection that opens here says
 * nothing about the address that it meets: name servers may change the order each time.
 *
 * @throws The signal's reason, if it aborts first.
 */
export async function openWay(where: HostPort, { signal }: WayOptions): Promise<OwnProxy | undefined> {
  const { hostname } = where;
  if (isAddress(hostname) || isLoopbackHost(hostname)) return undefined;
  if (!hasWorkingAddress(where)) {
    const addresses = await lookupHost(hostname, { signal });
    // Without any, the client finds the same failure, and says what it is.
    if (addresses !== undefined && addresses.length < 2) return undefined;
  }
  return openOwnProxy({ ...where, dial: (stop) => dialTcp(where, { signal: stop }) });
}

/** Options of {@linkcode openWay}. */
export interface WayOptions {
  readonly signal: AbortSignal;
}
