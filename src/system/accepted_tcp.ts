import { Mutex } from "../lib/mutex.ts";
import { listenerKey } from "../model/route_table.ts";
import { type ByteStream, closeQuietly } from "./byte_stream.ts";
import { sleep, withDeadline } from "./clock.ts";
import { ResetHandle } from "./reset_handle.ts";
import { cancelRead, setKeepAliveIdle } from "./tcp_socket.ts";

/** A write that does not end in this time waits for the peer. */
const WRITE_MS = 100;
/**
 * A connection gets a handle for its reset before it has sent this number of bytes. By default the
 * kernel's buffers take as many from a client that does not read.
 */
const HANDLE_FROM_BYTES = 16_384;
/** The resets without a pause: 2,000, when the ingress dies, would block all others for 0.4 s. */
const BATCH = 8;
const NOTHING = new Uint8Array(0);

/** An accepted TCP connection. */
export class AcceptedTcp implements ByteStream {
  static readonly #resets = new Mutex();
  static #resetCount = 0;
  readonly peer: string;
  readonly local: string;
  /** The address and port of the peer. */
  readonly source: string;
  readonly #conn: Deno.TcpConn;
  #reading: Promise<unknown> | undefined;
  #writing: Promise<unknown> | undefined;
  #aborted: Promise<void> | undefined;
  #probedAfterMs: number | undefined;
  #written = 0;
  #handle: ResetHandle | undefined;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.peer = conn.remoteAddr.hostname;
    this.local = conn.localAddr.hostname;
    this.source = listenerKey(conn.remoteAddr.hostname, conn.remoteAddr.port);
    try {
      conn.setNoDelay(true);
      // A client that vanishes silently would hold its slot for ever.
      conn.setKeepAlive(true);
    } catch {
      // The peer may be gone already; the first read reports it.
    }
  }

  read(buffer: Uint8Array): Promise<number | null> {
    this.#assertOpen();
    const reading = this.#conn.read(buffer);
    this.#reading = reading;
    return reading;
  }

  write(data: Uint8Array): Promise<number> {
    this.#assertOpen();
    if (this.#written < HANDLE_FROM_BYTES) this.#countWritten(data.length);
    const writing = this.#conn.write(data);
    this.#writing = writing;
    return writing;
  }

  closeWrite(): Promise<void> {
    this.#assertOpen();
    const closing = this.#conn.closeWrite();
    this.#writing = closing;
    return closing;
  }

  close(): void {
    if (this.#aborted === undefined) this.#close();
  }

  /** Ends the connection with a reset, or closes it if the runtime does not do that. */
  abort(): Promise<void> {
    return this.#aborted ??= this.#abort();
  }

  /** Returns false if the kernel has found out that the peer is gone. */
  async isPeerAlive(idleMs: number): Promise<boolean> {
    this.#probedAfterMs = this.#probe(idleMs);
    try {
      // Sends no byte, but fails if the connection has an error.
      await this.write(NOTHING);
      return true;
    } catch {
      return false;
    }
  }

  /** Returns the time after which the kernel probes the peer. */
  #probe(idleMs: number): number | undefined {
    if (this.#probedAfterMs === idleMs) return idleMs;
    try {
      setKeepAliveIdle(this.#conn, idleMs);
      return idleMs;
    } catch {
      // The connection has an error, which the write reports, or the next call tries again.
      return undefined;
    }
  }

  /** An operation during a reset would keep the socket open. */
  #assertOpen(): void {
    if (this.#aborted !== undefined) throw new Deno.errors.Interrupted("the connection is being reset");
  }

  /** A handle cannot be opened while a write waits, so it is opened before. */
  #countWritten(bytes: number): void {
    this.#written += bytes;
    if (this.#written >= HANDLE_FROM_BYTES) this.#handle = ResetHandle.open(this.#conn);
  }

  #close(): void {
    this.#handle?.close();
    this.#handle = undefined;
    this.#conn.close();
  }

  async #abort(): Promise<void> {
    try {
      cancelRead(this.#conn);
      const isWriting = await this.#isWriteWaiting();
      await AcceptedTcp.#resets.run(() => this.#reset(isWriting));
    } catch {
      closeQuietly({ close: () => this.#close() });
    }
  }

  async #isWriteWaiting(): Promise<boolean> {
    try {
      await withDeadline(Promise.allSettled([this.#reading, this.#writing]), {
        ms: WRITE_MS,
        onTimeout: () => new Error("A write waits for the peer"),
      });
      return false;
    } catch {
      return true;
    }
  }

  async #reset(isWriting: boolean): Promise<void> {
    AcceptedTcp.#resetCount++;
    if (AcceptedTcp.#resetCount % BATCH === 0) await sleep(0);
    const handle = this.#handle ?? ResetHandle.open(this.#conn);
    if (handle === undefined) return this.#close();
    this.#handle = undefined;
    if (isWriting) handle.resetFull();
    else await handle.reset();
  }
}
