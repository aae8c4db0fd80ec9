import { openHandle, type TcpHandle } from "./tcp_socket.ts";

/**
 * A second descriptor of a connection, which ends it with a reset. So its peer cannot take what it
 * has for the whole, and the kernel frees what the peer does not take: up to 4 MiB, which a plain
 * `close()` leaves there for minutes (docs/runtime.md Resets, Memory).
 */
export class ResetHandle {
  readonly #conn: Deno.TcpConn;
  readonly #handle: TcpHandle;

  constructor(conn: Deno.TcpConn, handle: TcpHandle) {
    this.#conn = conn;
    this.#handle = handle;
  }

  /** Opens the handle; undefined if the runtime does not do it, as while a write is under way. */
  static open(conn: Deno.TcpConn): ResetHandle | undefined {
    try {
      return new ResetHandle(conn, openHandle(conn));
    } catch {
      return undefined;
    }
  }

  /**
   * Ends a connection without a read or write under way.
   *
   * @throws {Error} If the runtime does not do it. The caller closes the connection then.
   */
  async reset(): Promise<void> {
    this.#handle.reset(() => {});
    try {
      // A plain close() sends a FIN before the reset. The failed TLS client has taken the socket
      // and drops it without a FIN.
      await Deno.startTls(this.#conn, { hostname: "127.0.0.1", caCerts: [NO_CERTIFICATE] });
    } catch (error) {
      if (isOpen(this.#conn)) throw error;
    }
  }

  /**
   * Ends a connection whose write waits for the peer. The write rejects. The FIN of the runtime is
   * behind the bytes in the kernel's full buffer, and is dropped with them.
   */
  resetFull(): void {
    this.#handle.reset(() => {});
    this.#conn.close();
  }

  /** Closes this descriptor only. */
  close(): void {
    this.#handle.close(() => {});
  }
}

const NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** Returns false if the connection no longer belongs to the runtime. */
function isOpen(conn: Deno.TcpConn): boolean {
  try {
    conn.setNoDelay(true);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.BadResource);
  }
}
