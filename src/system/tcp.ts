import { DialError } from "../model/errors.ts";
import { listenerKey } from "../model/route_table.ts";
import { acceptNext } from "./accept_next.ts";
import type { ByteStream } from "./byte_stream.ts";
import { dialFailure } from "./dial_failure.ts";
import { toBindError } from "./errors.ts";
import { ResetHandle } from "./reset_handle.ts";

/** Opens a TCP listener. @throws {BindError} If the address cannot be bound. */
export function listenTcp(where: TcpAddress): TcpListener {
  const listener = openListener(where);
  const port = listener.addr.port;
  return {
    key: listenerKey(where.address, port),
    port,
    async accept() {
      const conn = await acceptNext(() => listener.accept());
      try {
        conn.setNoDelay(true);
        // A client that vanishes silently would hold its slot for ever.
        conn.setKeepAlive(true);
      } catch {
        // The peer may be gone already; the first read reports it.
      }
      return new AcceptedTcp(conn);
    },
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

/** The bytes that a connection sends before it gets a handle to reset it: bulk transfers do. */
const RESET_FROM_BYTES = 65_536;

/** An accepted TCP connection. */
class AcceptedTcp implements AcceptedStream {
  readonly peer: string;
  readonly local: string;
  readonly #conn: Deno.TcpConn;
  #written = 0;
  #handle: ResetHandle | undefined;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.peer = conn.remoteAddr.hostname;
    this.local = conn.localAddr.hostname;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#conn.read(buffer);
  }

  write(data: Uint8Array): Promise<number> {
    // A handle cannot be opened while a write waits.
    if (this.#written < RESET_FROM_BYTES) {
      this.#written += data.length;
      if (this.#written >= RESET_FROM_BYTES) this.#handle = ResetHandle.open(this.#conn);
    }
    return this.#conn.write(data);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
    this.#conn.close();
  }

  abort(): void {
    if (this.#handle === undefined) return this.close();
    this.#handle.reset();
    this.#handle = undefined;
  }
}

/** An accepted connection and its peer. */
export interface AcceptedStream extends ByteStream {
  readonly peer: string;
  /** The local address that the peer dialled. */
  readonly local?: string;
  /** As `close`, but drops the bytes that the peer has not taken, and resets the connection. */
  abort?(): void;
}

/** An IPv4 address and a port to bind; port 0 is any free port. */
export interface TcpAddress {
  readonly address: string;
  readonly port: number;
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
 * Connects by TCP, without TLS.
 *
 * @throws {DialError} With the class of the failure.
 * @throws The signal's reason, if it aborts first.
 */
export async function connectTcp(where: TcpAddress, signal: AbortSignal): Promise<ByteStream> {
  const { address: hostname, port } = where;
  try {
    return await Deno.connect({ hostname, port, signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const [code, state] = dialFailure(error, { hostname, connected: false });
    throw new DialError(`Cannot connect to ${listenerKey(hostname, port)}: ${state}`, { code, cause: error });
  }
}
