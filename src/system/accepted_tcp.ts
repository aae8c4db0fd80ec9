import { Mutex } from "../lib/mutex.ts";
import { listenerKey } from "../model/route_table.ts";
import { type ByteStream, closeQuietly } from "./byte_stream.ts";
import { sleep, withDeadline } from "./clock.ts";
import { cancelRead, resetSocket, setKeepAliveIdle } from "./tcp_socket.ts";

/** The time that a write under way has to end before a reset. */
const WRITE_MS = 1_000;
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
  #isProbed = false;

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
    if (this.#aborted === undefined) this.#conn.close();
  }

  /**
   * Ends the connection with a reset, or closes it if that is not possible: if the peer does not
   * read what is being written.
   */
  abort(): Promise<void> {
    return this.#aborted ??= this.#abort();
  }

  /** Returns false if the kernel has found out that the peer is gone. */
  async isPeerAlive(idleMs: number): Promise<boolean> {
    try {
      if (!this.#isProbed) setKeepAliveIdle(this.#conn, idleMs);
      this.#isProbed = true;
      // Sends no byte, but fails if the connection has an error.
      await this.write(NOTHING);
      return true;
    } catch {
      return false;
    }
  }

  /** An operation during a reset would keep the socket open. */
  #assertOpen(): void {
    if (this.#aborted !== undefined) throw new Deno.errors.Interrupted("the connection is being reset");
  }

  async #abort(): Promise<void> {
    try {
      cancelRead(this.#conn);
      await withDeadline(Promise.allSettled([this.#reading, this.#writing]), {
        ms: WRITE_MS,
        onTimeout: () => new Error("Cannot reset the connection: a write is under way"),
      });
      await AcceptedTcp.#resets.run(() => this.#reset());
    } catch {
      closeQuietly(this.#conn);
    }
  }

  async #reset(): Promise<void> {
    AcceptedTcp.#resetCount++;
    if (AcceptedTcp.#resetCount % BATCH === 0) await sleep(0);
    await resetSocket(this.#conn);
  }
}
