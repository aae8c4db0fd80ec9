import { lookup } from "node:dns/promises";
import { isLoopbackHost } from "../lib/loopback_host.ts";
import { closeQuietly } from "./byte_stream.ts";
import { limitTime } from "./clock.ts";
import { holds } from "./permissions.ts";
import { listenerKey } from "../model/route_table.ts";
import { isAddress } from "../lib/ip_literal.ts";
import { dialPlan, forgetAddress, type HostPort, noteAddress } from "./working_address.ts";

/** The time for an address that has answered before, after which all are tried. */
export const KNOWN_ADDRESS_MS = 300;

/**
 * Connects to a host by TCP at the first of its addresses that answers. The other attempts end. The
 * next connection begins with that address.
 *
 * @throws The error of the runtime, or the signal's reason if it aborts first.
 */
export async function dialTcp(where: HostPort, { signal }: DialOptions = {}): Promise<Deno.TcpConn> {
  const { hostname, port } = where;
  const { address, delayMs } = dialPlan(where);
  if (address !== undefined) {
    using limit = limitTime(KNOWN_ADDRESS_MS, { signal });
    try {
      return await Deno.connect({ hostname: address, port, signal: limit.signal });
    } catch {
      signal?.throwIfAborted();
      forgetAddress(where);
    }
  }
  const since = performance.now();
  const conn = await Deno.connect({
    hostname,
    port,
    autoSelectFamilyAttemptDelay: delayMs,
    ...(signal === undefined ? {} : { signal }),
  });
  noteAddress(where, { address: conn.remoteAddr.hostname, tookMs: performance.now() - since });
  return conn;
}

/** Options of {@linkcode dialTcp}. */
export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds an address of a host that answers, and returns it as options for a socket of `node:net`.
 * That has an algorithm of its own for several addresses, whose second attempt throws outside every
 * handler where the permission set has only the name. Undefined if such a socket cannot be made to
 * use the address.
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
  const family = address.includes(":") ? 6 : 4;
  const first = await lookup(hostname, { family });
  return first.address === address ? { host: hostname, port, family, autoSelectFamily: false } : undefined;
}

/** The target of a socket of `node:net`. */
export interface NodeTarget {
  readonly host: string;
  readonly port: number;
  readonly family?: 4 | 6;
  readonly autoSelectFamily?: false;
}
