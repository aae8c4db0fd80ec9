import { getLogger } from "@logtape/logtape";
import { closeQuietly } from "../system/byte_stream.ts";
import type { AcceptedStream, TcpAddress, TcpListener } from "../system/tcp.ts";
import { acceptLoop } from "./accept.ts";
import type { ConnectionSlots, Slot } from "./admission/connection_slots.ts";
import type { OwnConnections } from "./own_connections.ts";

const log = getLogger(["ngrokd", "forward"]);

/**
 * One reason for all. An abort without a reason would create an exception with a stack for each
 * listener.
 */
const CLOSED = new DOMException("the listener is closed", "AbortError");

/** The open listeners, by `address:port` (docs/decisions/0020). */
export class Listeners implements AsyncDisposable {
  readonly #options: ListenersOptions;
  readonly #open = new Map<string, OpenListener>();

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /**
   * Opens a listener, starts to accept, and returns the port that was bound.
   *
   * @throws {BindError} If the address cannot be bound.
   */
  open(where: TcpAddress): number {
    const { listen, slots, admit, keyOf } = this.#options;
    const listener = listen(where);
    const { key } = listener;
    const closed = new AbortController();
    const loop = acceptLoop(listener, {
      slots,
      signal: closed.signal,
      admit: (peer, local) => admit(peer, keyOf(key, local)),
      onConnection: (stream, slot) => this.#take(stream, slot, keyOf(key, stream.local)),
    });
    this.#open.set(key, { listener, closed, loop });
    log.debug("Listening on {address}", { address: key });
    return listener.port;
  }

  /**
   * Stops accepting on this listener. Its connections go on. Fulfils when the port is free: the
   * runtime keeps the socket until the pending accept has ended (docs/runtime.md Sockets).
   */
  async close(key: string): Promise<void> {
    const entry = this.#open.get(key);
    if (entry === undefined) return;
    this.#open.delete(key);
    entry.closed.abort(CLOSED);
    closeQuietly(entry.listener);
    log.debug("Closed the listener on {address}", { address: key });
    await entry.loop;
  }

  #take(stream: AcceptedStream, slot: Slot, key: string): void {
    const { own, onConnection } = this.#options;
    const claim = own.claim(key, stream);
    if (claim === undefined) return onConnection(stream, slot, key);
    void claim.then((isOwn) => {
      if (!isOwn) return onConnection(stream, slot, key);
      closeQuietly(stream);
      slot[Symbol.dispose]();
    });
  }

  /** Reads the keys of the open listeners. */
  observe(): string[] {
    return [...this.#open.keys()];
  }

  /** Closes all listeners and waits until no further connection can come in. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.observe().map((key) => this.close(key)));
  }
}

/** Options of {@linkcode Listeners}. */
export interface ListenersOptions {
  readonly listen: (where: TcpAddress) => TcpListener;
  readonly slots: ConnectionSlots;
  /** ngrokd's own connections, which end at the listener. */
  readonly own: OwnConnections;
  /** Returns true if the peer may connect to the listener with this key. */
  readonly admit: (peer: string, key: string) => boolean;
  /**
   * Returns the key that applies to a connection, from the key of its listener and the local
   * address that the peer connected to.
   */
  readonly keyOf: (key: string, local: string | undefined) => string;
  /** Takes over a connection and its slot; must not throw. */
  readonly onConnection: (stream: AcceptedStream, slot: Slot, key: string) => void;
}

interface OpenListener {
  readonly listener: TcpListener;
  readonly closed: AbortController;
  readonly loop: Promise<void>;
}
