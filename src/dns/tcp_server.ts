import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { closeQuietly } from "../system/byte_stream.ts";
import { sleep } from "../system/clock.ts";
import { isConnectionGone } from "../system/errors.ts";
import { keepGoing } from "../system/keep_going.ts";
import type { AcceptedStream, TcpListener } from "../system/tcp.ts";
import { Turns } from "../system/turns.ts";
import { TcpConnection, type TcpConnectionOptions, type TcpLimits } from "./tcp_connection.ts";

const log = getLogger(["ngrokd", "dns"]);

/** One tick: a wait during which the event loop runs. */
const TICK_MS = 3;
/** A busy machine takes several ticks to read and answer the first query of a connection. */
const MIN_AGE_TICKS = 8;

/**
 * The connections of all listeners under one limit. At the limit, a new connection replaces the one
 * that has been idle for longest.
 */
export class TcpServer implements AsyncDisposable {
  readonly #limits: TcpServerLimits;
  /** The one that has been idle for longest comes first. */
  readonly #open = new Map<TcpConnection, Accepted>();
  readonly #running = new Set<Promise<void>>();
  readonly #turns: Turns;
  /** Counts ticks instead of time, because on a busy machine time passes without a read. */
  #tick = 0;
  #nextTick: Promise<void> | undefined;

  constructor({ turns = new Turns(), ...limits }: TcpServerOptions = {}) {
    this.#limits = limits;
    this.#turns = turns;
  }

  /** The number of connections. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Accepts connections until the signal aborts, and continues after a lack of descriptors. Open
   * connections stay open.
   */
  serve(listener: TcpListener, options: TcpListenOptions): Promise<void> {
    const { admits, respond, signal } = options;
    const address = listener.key;

    const accept = async (succeeded: () => void): Promise<never> => {
      for (;;) {
        const stream = await listener.accept();
        try {
          const isAdmitted = admits(stream.peer) && await this.#makeRoom(stream.peer);
          if (isAdmitted && !signal.aborted) this.#start(stream, respond);
          else closeQuietly(stream);
        } catch (error) {
          // Reading the addresses of this machine for `admits` may need a descriptor too.
          closeQuietly(stream);
          throw error;
        }
        succeeded();
      }
    };

    return keepGoing(accept, {
      signal,
      onFailure: (error) =>
        log.warn("Cannot accept DNS connections on {address}: {error}", {
          address,
          error: messageOf(error),
        }),
    });
  }

  #start(stream: AcceptedStream, respond: TcpListenOptions["respond"]): void {
    const accepted: Accepted = { peer: stream.peer, tick: this.#tick };
    const onMessages = () => {
      if (this.#open.delete(connection)) this.#open.set(connection, accepted);
    };
    const connection = new TcpConnection(stream, {
      ...this.#limits,
      respond: (message, signal) => respond(message, { address: stream.peer, signal }),
      takeTurn: () => this.#turns.take(stream.peer),
      onMessages,
    });
    this.#open.set(connection, accepted);
    const task = connection.run().catch((error) => {
      if (!isConnectionGone(error)) {
        log.debug("A DNS connection failed: {error}", { error: messageOf(error) });
      }
    }).finally(() => {
      this.#open.delete(connection);
      this.#running.delete(task);
    });
    this.#running.add(task);
  }

  /** Returns true if a connection from this peer may be opened; closes an idle one if necessary. */
  async #makeRoom(peer: string): Promise<boolean> {
    const { maxConnections = 256, maxPerSource = 32 } = this.#limits;
    for (;;) {
      const fromPeer = [...this.#open].filter(([, other]) => other.peer === peer);
      const candidates = fromPeer.length >= maxPerSource ? fromPeer : [...this.#open];
      if (candidates !== fromPeer && candidates.length < maxConnections) return true;
      const [idlest, accepted] = candidates.find(([connection]) => !connection.isBusy) ?? [];
      if (idlest === undefined) return false;
      if (this.#tick >= accepted!.tick + MIN_AGE_TICKS) {
        this.#open.delete(idlest);
        idlest.close();
        return true;
      }
      // Otherwise the connections of a burst would close each other unread.
      await this.#waitForTick();
    }
  }

  #waitForTick(): Promise<void> {
    return this.#nextTick ??= sleep(TICK_MS).then(() => {
      this.#tick++;
      this.#nextTick = undefined;
    });
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#open.keys()) connection.close();
    await Promise.all(this.#running);
  }
}

/** Limits of connections. */
export interface TcpServerLimits extends TcpLimits {
  /** @default {256} */
  readonly maxConnections?: number;
  /** @default {32} */
  readonly maxPerSource?: number;
}

/** Options of {@linkcode TcpServer}. */
export interface TcpServerOptions extends TcpServerLimits {
  /** Gives turns to connections and to other work. @default {new Turns()} */
  readonly turns?: Turns;
}

/** The client of a connection. */
export interface TcpClient {
  readonly address: string;
  /** Aborted when the connection is closed. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode TcpServer.serve}. */
export interface TcpListenOptions {
  /** Responds as in {@linkcode TcpConnectionOptions}, and gets the client too. */
  readonly respond: (
    message: Uint8Array,
    client: TcpClient,
  ) => ReturnType<TcpConnectionOptions["respond"]>;
  /** Returns true if a peer may connect. */
  readonly admits: (address: string) => boolean;
  /** Aborted when the listener is closed. */
  readonly signal: AbortSignal;
}

interface Accepted {
  readonly peer: string;
  /** The tick in which the connection was accepted. */
  readonly tick: number;
}
