import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import type { Outcome } from "../model/traffic.ts";
import { abortQuietly, closeQuietly } from "../system/byte_stream.ts";
import { sleep } from "../system/clock.ts";
import { isConnectionGone } from "../system/errors.ts";
import type { AcceptedStream } from "../system/tcp.ts";
import type { Activity, Rest } from "./activity.ts";
import type { Slot } from "./admission/connection_slots.ts";
import { sourceOf } from "./admission/source_of.ts";
import type { UnroutedConnections } from "./admission/unrouted_connections.ts";

const log = getLogger(["ngrokd", "forward"]);

/** The time between two looks at the connections that remain during a drain. */
const LOOK_MS = 100;
/** A connection without a route gets this time to send its first request during a drain. */
const UNROUTED_MS = 1000;

/** The connections that are being served. An error ends only the connection that it happens in. */
export class RunningConnections implements AsyncDisposable {
  readonly #serve: Serve;
  readonly #unrouted: UnroutedConnections;
  readonly #running = new Map<AbortController, Running>();

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
    const running: Running = { key, startedAt: performance.now(), isRouted: false, ended: Promise.resolve() };
    this.#running.set(controller, running);
    const onRouted = (): void => {
      running.isRouted = true;
      unrouted[Symbol.dispose]();
    };
    const evict = (): void => controller.abort();
    const follow = (activity: Activity): void => void (running.activity = activity);
    const { signal } = controller;
    running.ended = this.#run(stream, running, { key, signal, onRouted, evict, follow }).finally(() => {
      unrouted[Symbol.dispose]();
      this.#running.delete(controller);
      slot[Symbol.dispose]();
    });
  }

  /** Counts those to matching listeners. */
  count(matches: (key: string) => boolean): number {
    return this.#to(matches).length;
  }

  /** Aborts those to matching listeners, waits for their end, and returns their number. */
  async end(matches: (key: string) => boolean): Promise<number> {
    const ending = this.#to(matches);
    for (const [controller] of ending) controller.abort();
    await Promise.all(ending.map(([, { ended }]) => ended));
    return ending.length;
  }

  /**
   * Ends the idle connections at once, and each of the others as soon as it is idle. Waits up to
   * `ms` milliseconds and aborts the rest. Returns the number of those.
   */
  async drain(ms: number): Promise<number> {
    const end = performance.now() + ms;
    for (;;) {
      this.#endIdle();
      const left = end - performance.now();
      if (this.size === 0 || left <= 0) break;
      const looked = new AbortController();
      const all = Promise.all([...this.#running.values()].map(({ ended }) => ended));
      await Promise.race([all, sleep(Math.min(LOOK_MS, left), looked)]).finally(() => looked.abort());
    }
    const cut = this.#countBusy();
    await this[Symbol.asyncDispose]();
    return cut;
  }

  /** Aborts all and waits for their end. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const controller of this.#running.keys()) controller.abort();
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  #endIdle(): void {
    for (const [controller, running] of this.#running) {
      const rest = restOf(running);
      if (rest !== undefined && !controller.signal.aborted) controller.abort(rest);
    }
  }

  #countBusy(): number {
    return [...this.#running.keys()].filter(({ signal }) => !signal.aborted).length;
  }

  #to(matches: (key: string) => boolean): [AbortController, Running][] {
    return [...this.#running].filter(([, { key }]) => matches(key));
  }

  async #run(stream: AcceptedStream, running: Running, options: ServeConnectionOptions): Promise<void> {
    const { key: address, signal } = options;
    async function end(): Promise<void> {
      // A client that has got a part of an answer must not take it for the whole.
      if (signal.aborted && signal.reason !== "between" && running.isRouted) await abortQuietly(stream);
      else closeQuietly(stream);
    }
    signal.addEventListener("abort", end, { once: true });
    let outcome: Outcome;
    try {
      outcome = await this.#serve(stream, options);
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

interface Running {
  /** The key of its listener. */
  readonly key: string;
  readonly startedAt: number;
  isRouted: boolean;
  /** Undefined until the connection has an upstream. */
  activity?: Activity;
  ended: Promise<void>;
}

function restOf({ startedAt, isRouted, activity }: Running): Rest | undefined {
  if (activity !== undefined) return activity.rest;
  return !isRouted && performance.now() - startedAt >= UNROUTED_MS ? "between" : undefined;
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
  /** Must be called when the connection has an upstream. */
  readonly follow: (activity: Activity) => void;
}
