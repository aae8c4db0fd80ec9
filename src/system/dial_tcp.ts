import { listenerKey } from "../model/route_table.ts";
import { isAddress } from "../lib/ip_literal.ts";
import { isLoopbackHost } from "../lib/loopback_host.ts";
import { closeQuietly } from "./byte_stream.ts";
import { dialInOrder } from "./dial_in_order.ts";
import { lookupHost } from "./lookup_host.ts";
import { openTcp } from "./open_tcp.ts";
import { holds } from "./permissions.ts";
import type { HostPort } from "./working_address.ts";

/**
 * Connects to a host by TCP at the first of its addresses that answers. The other attempts end. If
 * others before it did not answer, the next connection begins with that address.
 *
 * @throws The error of the runtime, or the signal's reason if it aborts first.
 */
export function dialTcp(where: HostPort, { signal }: DialOptions = {}): Promise<Deno.TcpConn> {
  const { port } = where;
  return dialInOrder(where, {
    signal,
    open: ({ hostname, delayMs, signal }) => openTcp({ hostname, port, delayMs, signal }),
  });
}

/** Options of {@linkcode dialTcp}. */
export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds an address of a host that answers, and returns it as options for a socket of `node:net`.
 * That has an algorithm of its own for several addresses, whose second attempt throws outside every
 * handler where the permission set has only the name. Undefined if such a socket cannot be made to
 * use the address, so that it cannot be checked.
 *
 * @throws As {@linkcode dialTcp}.
 */
export async function nodeTarget(
  where: HostPort,
  options: DialOptions = {},
): Promise<NodeTarget | undefined> {
  const { hostname, port } = where;
  // A loopback address answers or refuses at once.
  if (isAddress(hostname) || isLoopbackHost(hostname)) return { host: hostname, port };
  const conn = await dialTcp(where, options);
  const address = conn.remoteAddr.hostname;
  closeQuietly(conn);
  if (holds({ kind: "net", host: listenerKey(address, port) })) {
    return { host: address, port, autoSelectFamily: false };
  }
  const isIpv6 = address.includes(":");
  const first = (await lookupHost(hostname, options))?.find((each) => each.includes(":") === isIpv6);
  return first === address
    ? { host: hostname, port, family: isIpv6 ? 6 : 4, autoSelectFamily: false }
    : undefined;
}

/** The target of a socket of `node:net`. */
export interface NodeTarget {
  readonly host: string;
  readonly port: number;
  readonly family?: 4 | 6;
  readonly autoSelectFamily?: false;
}
