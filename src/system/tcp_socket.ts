import process from "node:process";

/**
 * Opens a second descriptor of a connection, for what the runtime has no call for (docs/runtime.md
 * Resets). The caller closes it.
 *
 * @throws {Error} If the runtime does not do it, as while a write is under way.
 */
export function openHandle(conn: Deno.TcpConn): TcpHandle {
  const { binding } = process as unknown as { binding: (name: string) => TcpWrap };
  const { TCP, constants } = binding("tcp_wrap");
  const handle = new TCP(constants.SOCKET);
  const result = handle.openFromRid(ridOf(conn));
  if (result !== 0) throw new Error(`Cannot use the socket of a connection: error ${result}`);
  return handle;
}

/** A handle of node:net. The calls return 0 or a negative error number. */
export interface TcpHandle {
  /** Sets SO_LINGER to 0 for the socket, and closes only this descriptor. */
  reset(done: () => void): number;
  setKeepAlive(enable: boolean, idleSeconds: number): number;
  /** Closes only this descriptor. */
  close(done: () => void): void;
}

/** The longest time that Linux takes for TCP_KEEPIDLE, in seconds. */
const MAX_IDLE_S = 32_767;

/** Ends the pending read of a connection with `Deno.errors.Interrupted`. */
export function cancelRead(conn: Deno.TcpConn): void {
  const { core } = internals();
  core.cancelRead(ridOf(conn));
}

/**
 * Makes the kernel ask an idle peer for a sign of life, first after `idleMs` milliseconds (1 s to
 * 9 h).
 *
 * @throws {Error} If the runtime does not do it.
 */
export function setKeepAliveIdle(conn: Deno.TcpConn, idleMs: number): void {
  const handle = openHandle(conn);
  const result = handle.setKeepAlive(true, Math.min(MAX_IDLE_S, Math.max(1, Math.round(idleMs / 1000))));
  handle.close(() => {});
  if (result !== 0) throw new Error(`Cannot set keep-alive of a connection: error ${result}`);
}

interface TcpWrap {
  readonly TCP: new (kind: number) => TcpHandle & {
    /** Duplicates the descriptor of a connection of Deno. */
    openFromRid(rid: number): number;
  };
  readonly constants: { readonly SOCKET: number };
}

interface Internals {
  readonly core: { readonly internalRidSymbol: symbol; readonly cancelRead: (rid: number) => void };
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
