import { DialError } from "../model/errors.ts";
import { listenerKey } from "../model/route_table.ts";
import { acceptNext } from "./accept_next.ts";
import { AcceptedTcp } from "./accepted_tcp.ts";
import type { ByteStream } from "./byte_stream.ts";
import { dialFailure } from "./dial_failure.ts";
import { toBindError } from "./errors.ts";
import { openTcp } from "./open_tcp.ts";

/** Opens a TCP listener. @throws {BindError} If the address cannot be bound. */
export function listenTcp(where: TcpAddress): TcpListener {
  const listener = openListener(where);
  const port = listener.addr.port;
  return {
    key: listenerKey(where.address, port),
    port,
    accept: async () => new AcceptedTcp(await acceptNext(() => listener.accept())),
    close: () => listener.close(),
  };
}

/** An open TCP listener. */
export interface TcpListener {
  /** `address:port` as bound. */
  readonly key: string;
  readonly port: number;
  accept(): Promise<AcceptedStream>;
  close(): void;
}

/** An accepted connection and its peer. */
export interface AcceptedStream extends ByteStream {
  readonly peer: string;
  /** `address:port` of the peer. */
  readonly source?: string;
  /** The local address that the peer dialled. */
  readonly local?: string;
}

/**
 * An address and a port; to bind, port 0 is any free port. DNS servers may have IPv6 addresses,
 * with a zone if they are link-local.
 */
export interface TcpAddress {
  readonly address: string;
  readonly port: number;
}

/** Parses `address:port` and `[address]:port`. */
export function parseTcpAddress(text: string): TcpAddress {
  const colon = text.lastIndexOf(":");
  return { address: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

/**
 * The length of the accept queue; the kernel has its own limit too. A full queue delays a client by
 * a second, until it repeats its SYN.
 */
const BACKLOG = 4096;

function openListener(where: TcpAddress): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: where.address, port: where.port, tcpBacklog: BACKLOG });
  } catch (error) {
    throw toBindError(error, listenerKey(where.address, where.port));
  }
}

/**
 * Connects by TCP, without TLS. `source` is the own `address:port`.
 *
 * @throws {DialError} With the class of the failure.
 * @throws The signal's reason, if it aborts first.
 */
export async function connectTcp(
  where: TcpAddress,
  signal: AbortSignal,
): Promise<ByteStream & { readonly source?: string }> {
  const { address: hostname, port } = where;
  try {
    const conn = await openTcp({ hostname, port, signal });
    return Object.assign(conn, { source: listenerKey(conn.localAddr.hostname, conn.localAddr.port) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const [code, state] = dialFailure(error, { hostname, connected: false });
    throw new DialError(`Cannot connect to ${listenerKey(hostname, port)}: ${state}`, { code, cause: error });
  }
}
