import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { closeQuietly } from "../system/byte_stream.ts";
import { sleep } from "../system/clock.ts";
import { isConnectionGone } from "../system/errors.ts";
import { keepGoing } from "../system/keep_going.ts";
import type { AcceptedStream, TcpListener } from "../system/net.ts";
import { TcpConnection, type TcpConnectionOptions, type TcpLimits } from "./tcp_connection.ts";

const log = getLogger(["ngrokd", "dns"]);

/** A wait in which the event loop comes round. */
const TURN_MS = 3;
/** Before that, what was sent with a connection may not have been read and answered: a busy machine takes several for each. */
const FRESH_TURNS = 8;

/** Limits of all connections together. */
export interface TcpServerLimits extends TcpLimits {
  /** @default {256} */
  readonly maxConnections?: number;
  /** @default {32} */
  readonly maxPerSource?: number;
}

/** Who asks by a connection. */
export interface TcpClient {
  readonly address: string;
  /** Aborted when the connection is over. */
  readonly signal: AbortSignal;
}

/** What one listener hands its connections to. */
export interface TcpListenOptions {
  /** As {@linkcode TcpConnectionOptions} has it, with the address of the client. */
  readonly respond: (
    message: Uint8Array,
    client: TcpClient,
  ) => ReturnType<TcpConnectionOptions["respond"]>;
  /** Whether a peer may connect at all. */
  readonly admits: (address: string) => boolean;
  /** Aborted when the listener is closed. */
  readonly signal: AbortSignal;
}

interface Place {
  readonly peer: string;
  /** The turn in which it was accepted. */
  readonly turn: number;
}

/** The connections of all listeners under one limit. When it is reached, a newcomer takes the place of who has been silent for longest. */
export class TcpServer implements AsyncDisposable {
  readonly #limits: TcpServerLimits;
  /** Who has been silent for longest comes first. */
  readonly #open = new Map<TcpConnection, Place>();
  readonly #running = new Set<Promise<void>>();
  /** Counts waits, not time: on a busy machine time passes in which nothing is read. */
  #turn = 0;
  #turning: Promise<void> | undefined;

  constructor(limits: TcpServerLimits = {}) {
    this.#limits = limits;
  }

  /** How many connections there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Accepts connections until the signal aborts, also when descriptors are out for a while. Connections live on after it. */
  serve(listener: TcpListener, options: TcpListenOptions): Promise<void> {
    const { admits, respond, signal } = options;
    const address = listener.key;

    const accept = async (succeeded: () => void): Promise<never> => {
      for (;;) {
        const stream = await listener.accept();
        try {
          const isWelcome = admits(stream.peer) && await this.#makeRoom(stream.peer);
          if (isWelcome && !signal.aborted) this.#start(stream, respond);
          else closeQuietly(stream);
        } catch (error) {
          // To find out who is admitted may take a descriptor too.
          closeQuietly(stream);
          throw error;
        }
        succeeded();
      }
    };

    return keepGoing(accept, {
      signal,
      onFailure: (error) =>
        log.warn("Cannot accept DNS connections on {address}: {reason}", {
          address,
          reason: messageOf(error),
        }),
    });
  }

  #start(stream: AcceptedStream, respond: TcpListenOptions["respond"]): void {
    const place: Place = { peer: stream.peer, turn: this.#turn };
    const onMessages = () => {
      if (this.#open.delete(connection)) this.#open.set(connection, place);
    };
    const connection = new TcpConnection(stream, {
      ...this.#limits,
      respond: (message, signal) => respond(message, { address: stream.peer, signal }),
      onMessages,
    });
    this.#open.set(connection, place);
    const task = connection.run().catch((error) => {
      if (!isConnectionGone(error)) {
        log.debug("A DNS connection failed: {reason}", { reason: messageOf(error) });
      }
    }).finally(() => {
      this.#open.delete(connection);
      this.#running.delete(task);
    });
    this.#running.add(task);
  }

  /** Whether there is a place for a connection from this peer, if need be that of an idle one. */
  async #makeRoom(peer: string): Promise<boolean> {
    const { maxConnections = 256, maxPerSource = 32 } = this.#limits;
    for (;;) {
      const fromPeer = [...this.#open].filter(([, other]) => other.peer === peer);
      const rivals = fromPeer.length >= maxPerSource ? fromPeer : [...this.#open];
      if (rivals !== fromPeer && rivals.length < maxConnections) return true;
      const [victim, place] = rivals.find(([connection]) => !connection.isBusy) ?? [];
      if (victim === undefined) return false;
      if (this.#turn >= place!.turn + FRESH_TURNS) {
        this.#open.delete(victim);
        victim.close();
        return true;
      }
      // A burst of newcomers would put each other out before a question of theirs was read.
      await this.#nextTurn();
    }
  }

  #nextTurn(): Promise<void> {
    return this.#turning ??= sleep(TURN_MS).then(() => {
      this.#turn++;
      this.#turning = undefined;
    });
  }

  /** Ends all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#open.keys()) connection.close();
    await Promise.all(this.#running);
  }
}
