import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import type { Outcome } from "../model/traffic.ts";
import { abortQuietly, closeQuietly } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { isConnectionGone } from "../system/errors.ts";
import type { AcceptedStream } from "../system/tcp.ts";
import type { Slot } from "./admission/connection_slots.ts";
import { sourceOf } from "./admission/source_of.ts";
import type { UnroutedConnections } from "./admission/unrouted_connections.ts";

const log = getLogger(["ngrokd", "forward"]);

/** The connections that are being served. An error ends only the connection that it happens in. */
export class RunningConnections implements AsyncDisposable {
  readonly #serve: Serve;
  readonly #unrouted: UnroutedConnections;
  readonly #running = new Map<AbortController, Promise<void>>();
  /** The key of the listener of each. */
  readonly #keys = new Map<AbortController, string>();

  constructor(serve: Serve, unrouted: UnroutedConnections) {
    this.#serve = serve;
    this.#unrouted = unrouted;
  }

  get size(): number {
    return this.#running.size;
  }

  /**
   * Serves a connection that came in for the listener with this key; closes it and frees its slot
   * at the end.
   */
  start(stream: AcceptedStream, options: { slot: Slot; key: string }): void {
    const { slot, key } = options;
    const controller = new AbortController();
    // A program on this machine can use any address of 127.0.0.0/8, so only its listener counts.
    const unrouted = this.#unrouted.enter(sourceOf(stream) ?? key, () => controller.abort());
    const onRouted = (): void => unrouted[Symbol.dispose]();
    const evict = (): void => controller.abort();
    const running = this.#run(stream, { key, signal: controller.signal, onRouted, evict }).finally(() => {
      onRouted();
      this.#running.delete(controller);
      this.#keys.delete(controller);
      slot[Symbol.dispose]();
    });
    this.#running.set(controller, running);
    this.#keys.set(controller, key);
  }

  /** Counts those to matching listeners. */
  count(matches: (key: string) => boolean): number {
    return this.#to(matches).length;
  }

  /** Aborts those to matching listeners, waits for their end, and returns their number. */
  async end(matches: (key: string) => boolean): Promise<number> {
    const ending = this.#to(matches);
    const ends = ending.map((controller) => this.#running.get(controller));
    for (const controller of ending) controller.abort();
    await Promise.all(ends);
    return ending.length;
  }

  /** Waits up to `ms` milliseconds and aborts the rest; returns true if all ended by themselves. */
  async drain(ms: number): Promise<boolean> {
    const ends = Promise.all(this.#running.values());
    try {
      await withDeadline(ends, { ms, onTimeout: () => new Error("Cannot drain: the time is over") });
      return true;
    } catch {
      await this[Symbol.asyncDispose]();
      return false;
    }
  }

  /** Aborts all and waits for their end. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const controller of this.#running.keys()) controller.abort();
    await Promise.all(this.#running.values());
  }

  #to(matches: (key: string) => boolean): AbortController[] {
    return [...this.#keys].filter(([, key]) => matches(key)).map(([controller]) => controller);
  }

  async #run(stream: AcceptedStream, options: ServeConnectionOptions): Promise<void> {
    const { key: address, signal } = options;
    let isRouted = false;
    const onRouted = (): void => {
      isRouted = true;
      options.onRouted();
    };
    async function end(): Promise<void> {
      // A client that has got a part of an answer must not take it for the whole.
      if (signal.aborted && isRouted) await abortQuietly(stream);
      else closeQuietly(stream);
    }
    signal.addEventListener("abort", end, { once: true });
    let outcome: Outcome;
    try {
      outcome = await this.#serve(stream, { ...options, onRouted });
      if (signal.aborted) outcome = "aborted";
    } catch (error) {
      outcome = signal.aborted ? "aborted" : isConnectionGone(error) ? "client_gone" : "internal";
      if (outcome === "internal") {
        log.error("Connection on {address} failed: {error}", {
          address,
          error: messageOf(error),
          cause: error,
        });
      }
    } finally {
      await end();
    }
    log.debug("Connection from {peer} on {address} ended: {outcome}", {
      peer: stream.peer,
      address,
      outcome,
    });
  }
}

/** Serves one connection from its first byte to its last. */
export type Serve = (stream: AcceptedStream, options: ServeConnectionOptions) => Promise<Outcome>;

/** Options of {@linkcode Serve}. */
export interface ServeConnectionOptions {
  /** The listener that the connection is for. */
  readonly key: string;
  readonly signal: AbortSignal;
  /** Must be called when the route is known. */
  readonly onRouted: () => void;
  /** Ends the connection, because another one needs its slot or its memory. */
  readonly evict: () => void;
}
