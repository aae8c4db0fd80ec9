import process from "node:process";

/**
 * Ends a connection with a reset, so that its peer cannot take what it has for the whole. The
 * connection must have no read or write under way. The runtime has no call for this
 * (docs/runtime.md Resets).
 *
 * @throws {Error} If the runtime does not do it. The caller closes the connection then.
 */
export async function resetSocket(conn: Deno.TcpConn): Promise<void> {
  // Sets SO_LINGER to 0 for the socket, and closes only its own descriptor.
  withHandle(conn, (handle) => handle.reset(() => {}));
  try {
    // A plain close() sends a FIN before the reset. A TLS client that does not come about owns the
    // socket by then, and drops it without a FIN.
    await Deno.startTls(conn, { hostname: "127.0.0.1", caCerts: [NO_CERTIFICATE] });
  } catch (error) {
    if (isOpen(conn)) throw error;
  }
}

/** Ends the pending read of a connection with `Deno.errors.Interrupted`. */
export function cancelRead(conn: Deno.TcpConn): void {
  const { core } = internals();
  core.cancelRead(ridOf(conn));
}

/**
 * Makes the kernel ask an idle peer for a sign of life, first after `idleMs` milliseconds (at least
 * 1 s).
 *
 * @throws {Error} If the runtime does not do it.
 */
export function setKeepAliveIdle(conn: Deno.TcpConn, idleMs: number): void {
  withHandle(conn, (handle) => {
    const result = handle.setKeepAlive(true, Math.max(1, Math.round(idleMs / 1000)));
    handle.close(() => {});
    return result;
  });
}

const NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** A handle of node:net. All calls return 0 or a negative error number. */
interface Handle {
  /** Duplicates the descriptor of a connection of Deno. */
  openFromRid(rid: number): number;
  reset(done: () => void): number;
  setKeepAlive(enable: boolean, idleSeconds: number): number;
  close(done: () => void): void;
}

interface TcpWrap {
  readonly TCP: new (kind: number) => Handle;
  readonly constants: { readonly SOCKET: number };
}

interface Internals {
  readonly core: { readonly internalRidSymbol: symbol; readonly cancelRead: (rid: number) => void };
}

function withHandle(conn: Deno.TcpConn, use: (handle: Handle) => number): void {
  const { binding } = process as unknown as { binding: (name: string) => TcpWrap };
  const { TCP, constants } = binding("tcp_wrap");
  const handle = new TCP(constants.SOCKET);
  const result = handle.openFromRid(ridOf(conn)) || use(handle);
  if (result !== 0) throw new Error(`Cannot use the socket of a connection: error ${result}`);
}

function ridOf(conn: Deno.TcpConn): number {
  const rid: unknown = Reflect.get(conn, internals().core.internalRidSymbol);
  if (typeof rid !== "number") throw new Error("Cannot find the socket of a connection");
  return rid;
}

function internals(): Internals {
  const { internal } = Deno as unknown as { readonly internal: symbol };
  return Reflect.get(Deno, internal) as Internals;
}

/** Returns false if the runtime knows the connection no more. */
function isOpen(conn: Deno.TcpConn): boolean {
  try {
    conn.setNoDelay(true);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.BadResource);
  }
}
