import process from "node:process";

/**
 * A second descriptor of a connection, which ends it with a reset. A plain `close()` leaves the
 * bytes that the peer does not take in the kernel, up to 4 MiB for minutes (docs/runtime.md
 * Memory). The runtime has no call for this; node:net has.
 */
export class ResetHandle {
  readonly #conn: Deno.TcpConn;
  readonly #handle: Handle;

  constructor(conn: Deno.TcpConn, handle: Handle) {
    this.#conn = conn;
    this.#handle = handle;
  }

  /**
   * Opens the handle of a connection; undefined if the runtime does not do it, as while a write is
   * under way. It costs one descriptor.
   */
  static open(conn: Deno.TcpConn): ResetHandle | undefined {
    try {
      const { binding } = process as unknown as { readonly binding: (name: string) => TcpWrap };
      const { TCP, constants } = binding("tcp_wrap");
      const handle = new TCP(constants.SOCKET);
      return handle.openFromRid(ridOf(conn)) === 0 ? new ResetHandle(conn, handle) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Ends the connection at once, also while a read or write is under way; these reject. */
  reset(): void {
    // Sets SO_LINGER to 0 for the socket, and closes only its own descriptor.
    this.#handle.reset(() => {});
    this.#conn.close();
  }

  /** Closes this descriptor only. */
  close(): void {
    this.#handle.close(() => {});
  }
}

/** A handle of node:net. The calls return 0 or a negative error number. */
interface Handle {
  /** Duplicates the descriptor of a connection of Deno. */
  openFromRid(rid: number): number;
  reset(done: () => void): number;
  close(done: () => void): void;
}

interface TcpWrap {
  readonly TCP: new (kind: number) => Handle;
  readonly constants: { readonly SOCKET: number };
}

function ridOf(conn: Deno.TcpConn): number {
  const symbol = Object.getOwnPropertySymbols(conn).find(({ description }) =>
    description === "Deno.internal.rid"
  );
  return Reflect.get(conn, symbol!);
}
