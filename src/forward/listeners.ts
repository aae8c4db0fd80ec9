import { getLogger } from "@logtape/logtape";
import { closeQuietly } from "../system/byte_stream.ts";
import type { AcceptedStream, TcpAddress, TcpListener } from "../system/net.ts";
import { acceptLoop } from "./accept.ts";
import type { ConnectionSlots, Slot } from "./admission/connection_slots.ts";

const log = getLogger(["ngrokd", "forward"]);

/** One for all: without a reason of its own each abort makes an exception with a stack, thousands at once. */
const CLOSED = new DOMException("the listener is closed", "AbortError");

/** What the listeners need from outside. */
export interface ListenersOptions {
  readonly listen: (where: TcpAddress) => TcpListener;
  readonly slots: ConnectionSlots;
  /** Whether a peer may connect to the listener with this key. */
  readonly admit: (peer: string, key: string) => boolean;
  /** The key of the listener that a connection is for, which came in on the one with this key by way of this address. @default That one */
  readonly keyOf?: (key: string, local: string | undefined) => string;
  /** Takes over a connection that came in on the listener with this key; must not throw. */
  readonly onConnection: (stream: AcceptedStream, slot: Slot, key: string) => void;
}

interface OpenListener {
  readonly listener: TcpListener;
  readonly closed: AbortController;
  readonly loop: Promise<void>;
}

/** The open listeners, by `address:port` (DESIGN.md decision 11). */
export class Listeners implements AsyncDisposable {
  readonly #options: ListenersOptions;
  readonly #open = new Map<string, OpenListener>();

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /**
   * Opens a listener and starts to accept; gives the port that was bound.
   *
   * @throws {BindError} If the address cannot be bound.
   */
  open(where: TcpAddress): number {
    const { listen, slots, admit, onConnection, keyOf = (key: string) => key } = this.#options;
    const listener = listen(where);
    const { key } = listener;
    const closed = new AbortController();
    const loop = acceptLoop(listener, {
      slots,
      signal: closed.signal,
      admit: (peer, local) => admit(peer, keyOf(key, local)),
      onConnection: (stream, slot) => onConnection(stream, slot, keyOf(key, stream.local)),
    });
    this.#open.set(key, { listener, closed, loop });
    log.debug("Listening on {address}", { address: key });
    return listener.port;
  }

  /** Stops accepting there; connections that run go on. Nothing happens if there is no such listener. */
  close(key: string): void {
    const entry = this.#open.get(key);
    if (entry === undefined) return;
    this.#open.delete(key);
    entry.closed.abort(CLOSED);
    closeQuietly(entry.listener);
    log.debug("Closed the listener on {address}", { address: key });
  }

  /** The keys of what is open. */
  observe(): string[] {
    return [...this.#open.keys()];
  }

  /** Closes all of them and waits until nothing more can come in. */
  async [Symbol.asyncDispose](): Promise<void> {
    const loops = [...this.#open.values()].map((entry) => entry.loop);
    for (const key of this.observe()) this.close(key);
    await Promise.all(loops);
  }
}
