import { type ByteStream, closeQuietly } from "./byte_stream.ts";
import { sleep } from "./clock.ts";
import { keepGoing } from "./keep_going.ts";

/** The ticks that a connection has to send its request, even in a flood. */
const GRACE_TICKS = 3;
/** Accepting more in one stretch would keep the open connections from being read. */
const ACCEPTS_PER_TICK = 64;
/**
 * The pause between two reported failures. If descriptors run out and single ones become free,
 * every failure is the first.
 */
const REPORT_PAUSE_MS = 10_000;

/**
 * Accepts the connections of one listener until it is disposed, and serves a limited number of them
 * at once. Above the limit, the source with the most connections loses its oldest one that may be
 * ended; if none may, the new one is closed. A lack of descriptors only delays the next accept.
 */
export class ConnectionServer<Stream extends ByteStream> implements AsyncDisposable {
  readonly #listener: Listener<Stream>;
  readonly #options: ConnectionServerOptions<Stream>;
  readonly #stop = new AbortController();
  /** The oldest comes first. */
  readonly #open = new Set<Entry<Stream>>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  /** Counts ticks instead of time, because on a busy machine time passes without a read. */
  #ticks = 0;
  #accepted = 0;

  constructor(listener: Listener<Stream>, options: ConnectionServerOptions<Stream>) {
    this.#listener = listener;
    this.#options = options;
    this.#accepting = this.#acceptAll();
  }

  /** The number of connections that are served. */
  get size(): number {
    return this.#open.size;
  }

  /** Closes the listener, ends all work that follows `signal`, and waits for the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(this.#options.stopReason);
      this.#listener.close();
    }
    await this.#accepting;
    await Promise.all(this.#running);
  }

  #acceptAll(): Promise<void> {
    const { onFailure, onEachFailure = () => {} } = this.#options;
    const { signal } = this.#stop;
    let reportedAt = -Infinity;
    return keepGoing((succeeded) => this.#accept(succeeded), {
      signal,
      onEachFailure,
      onFailure(error) {
        if (performance.now() - reportedAt < REPORT_PAUSE_MS) return;
        reportedAt = performance.now();
        onFailure(error);
      },
    });
  }

  async #accept(succeeded: () => void): Promise<never> {
    const { admit, sourceOf } = this.#options;
    for (;;) {
      const stream = await this.#listener.accept();
      const source = sourceOf?.(stream) ?? "";
      try {
        const isAdmitted = (admit?.(stream) ?? true) && await this.#makeRoom();
        if (isAdmitted && !this.#stop.signal.aborted) this.#start(stream, source);
        else closeQuietly(stream);
      } catch (error) {
        // Listing the addresses of this machine for `admit` may need a descriptor too.
        closeQuietly(stream);
        throw error;
      }
      succeeded();
      if (++this.#accepted % ACCEPTS_PER_TICK === 0) await this.#tick();
    }
  }

  /** Returns true if a connection may be opened; ends another one if necessary. */
  async #makeRoom(): Promise<boolean> {
    while (this.#open.size >= this.#options.max) {
      const oldest = this.#oldestOfBiggest();
      if (oldest === undefined || this.#stop.signal.aborted) return false;
      // Otherwise the connections of a burst would end each other unread.
      if (this.#ticks < oldest.tick + GRACE_TICKS) {
        await this.#tick();
        continue;
      }
      this.#open.delete(oldest);
      closeQuietly(oldest.stream);
    }
    return true;
  }

  #oldestOfBiggest(): Entry<Stream> | undefined {
    const groups = Map.groupBy(
      [...this.#open].filter(({ isKept }) => !isKept),
      ({ source }) => source,
    );
    let biggest: Entry<Stream>[] = [];
    for (const group of groups.values()) if (group.length > biggest.length) biggest = group;
    return biggest[0];
  }

  #start(stream: Stream, source: string): void {
    const entry: Entry<Stream> = { stream, source, tick: this.#ticks, isKept: false };
    this.#open.add(entry);
    const connection: Connection = { signal: this.#stop.signal, keep: () => entry.isKept = true };
    const task = this.#options.serve(stream, connection).finally(() => {
      closeQuietly(stream);
      this.#open.delete(entry);
      this.#running.delete(task);
    });
    this.#running.add(task);
  }

  async #tick(): Promise<void> {
    await sleep(1, { signal: this.#stop.signal }).catch(() => {});
    this.#ticks++;
  }
}

/** A listener that the server owns. */
export interface Listener<Stream> {
  accept(): Promise<Stream>;
  close(): void;
}

/** A connection as the code that serves it sees its server. */
export interface Connection {
  /** Aborted when the server is disposed. */
  readonly signal: AbortSignal;
  /** Keeps this connection from being ended for a new one. */
  keep(): void;
}

/** Options of a {@linkcode ConnectionServer}. */
export interface ConnectionServerOptions<Stream> {
  /** The connections that are served at once. */
  readonly max: number;
  /** Serves a connection, which is closed after that; must not reject. */
  readonly serve: (stream: Stream, connection: Connection) => Promise<void>;
  /** Returns false for a connection that is closed without a byte. @default {all} */
  readonly admit?: (stream: Stream) => boolean;
  /** Returns the client whose connections are counted together. @default {one for all} */
  readonly sourceOf?: (stream: Stream) => string;
  /** Called when accepting fails, at most every ten seconds, for a log. */
  readonly onFailure: (error: unknown) => void;
  /** Called for every failure, before `onFailure`. @default {none} */
  readonly onEachFailure?: (error: unknown) => void;
  /** The reason of the signal when the server is disposed. */
  readonly stopReason?: unknown;
}

interface Entry<Stream> {
  readonly stream: Stream;
  readonly source: string;
  /** The tick in which the connection was accepted. */
  readonly tick: number;
  isKept: boolean;
}
