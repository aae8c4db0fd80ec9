import { isAddress } from "../lib/ip_literal.ts";
import { isLoopbackHost } from "../lib/loopback_host.ts";
import { closeQuietly } from "./byte_stream.ts";
import { dialTcp } from "./dial_tcp.ts";
import { openOwnProxy, type OwnProxy } from "./proxy/own_proxy.ts";
import { hasWorkingAddress, type HostPort } from "./working_address.ts";

/**
 * Finds out whether the runtime's HTTP client can connect to a host by itself: it tries the next
 * address of a family only after the kernel has given up the first one, minutes later. If an
 * address is slow or dead, returns a proxy to one that answers. To find out costs a connection of
 * its own, which carries nothing.
 *
 * @throws The signal's reason, if it aborts first.
 */
export async function openWay(where: HostPort, { signal }: WayOptions): Promise<OwnProxy | undefined> {
  if (isAddress(where.hostname) || isLoopbackHost(where.hostname)) return undefined;
  if (!hasWorkingAddress(where)) {
    try {
      closeQuietly(await dialTcp(where, { signal }));
    } catch {
      signal.throwIfAborted();
      // The client finds the same failure, and says what it is.
      return undefined;
    }
    if (!hasWorkingAddress(where)) return undefined;
  }
  return openOwnProxy({ ...where, dial: (stop) => dialTcp(where, { signal: stop }) });
}

/** Options of {@linkcode openWay}. */
export interface WayOptions {
  readonly signal: AbortSignal;
}
