import { type ByteStream, closeQuietly, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { TURN_MS } from "../system/turns.ts";
import { frameMessage } from "./frame.ts";
import { uint16 } from "./query.ts";

/** Longer queries have no meaning, so that a peer that announces one is no client. */
const MAX_MESSAGE_BYTES = 4096;
/** The most pending queries of a connection; then no more is read (RFC 7766 6.2.1.1). */
const MAX_PENDING = 128;

/** A TCP connection; each query is answered as soon as its reply is ready (RFC 7766 6.2.1.1). */
export class TcpConnection {
  readonly #stream: ByteStream;
  readonly #options: TcpConnectionOptions;
  readonly #messageMs: number;
  readonly #idleMs: number;
  /** The replies that are ready, framed. */
  #outgoing: Uint8Array[] = [];
  #flushing: Promise<void> | undefined;
  readonly #pending = new Set<Promise<void>>();
  readonly #closed = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(stream: ByteStream, options: TcpConnectionOptions) {
    const { messageMs = 5000, idleMs = 10_000 } = options;
    this.#stream = stream;
    this.#options = options;
    this.#messageMs = messageMs;
    this.#idleMs = idleMs;
  }

  /** True if a query waits for its reply. */
  get isBusy(): boolean {
    return this.#pending.size > 0;
  }

  /**
   * Serves until the client has closed its side and has all replies, a limit is reached, or a
   * message is no query. Rejects like the stream.
   */
  async run(): Promise<void> {
    try {
      await this.#serve();
      await Promise.all(this.#pending);
    } finally {
      this.close();
    }
  }

  /** Closes the connection at once. */
  close(): void {
    clearTimeout(this.#timer);
    this.#closed.abort();
    closeQuietly(this.#stream);
  }

  async #serve(): Promise<void> {
    const buffer = new Uint8Array(2 + MAX_MESSAGE_BYTES);
    let held = 0;
    let idleEnds = performance.now() + this.#messageMs;
    this.#closeIn(this.#messageMs);
    for (;;) {
      const count = await this.#stream.read(buffer.subarray(held));
      if (count === null) return;
      await this.#options.takeTurn();
      const startsMessage = held === 0;
      held += count;
      const taken = await this.#takeMessages(buffer.subarray(0, held));
      if (taken === undefined) return;
      buffer.copyWithin(0, taken, held);
      held -= taken;
      if (taken > 0) idleEnds = performance.now() + this.#idleMs;
      const idleLeft = idleEnds - performance.now();
      if (taken > 0 || startsMessage) {
        this.#closeIn(held > 0 ? Math.min(this.#messageMs, idleLeft) : idleLeft);
      }
    }
  }

  /**
   * Answers the whole messages at the start of `bytes`. Returns their length, or undefined if one
   * of them has no reply.
   */
  async #takeMessages(bytes: Uint8Array): Promise<number | undefined> {
    const { respond, takeTurn, onMessages } = this.#options;
    const replies: Uint8Array[] = [];
    let at = 0;
    let good = true;
    let turnEnds = performance.now() + TURN_MS;
    while (good && at + 2 <= bytes.length) {
      if (performance.now() >= turnEnds) {
        await takeTurn();
        turnEnds = performance.now() + TURN_MS;
      }
      const length = uint16(bytes, at);
      if (length > MAX_MESSAGE_BYTES) good = false;
      if (!good || at + 2 + length > bytes.length) break;
      const reply = respond(bytes.subarray(at + 2, at + 2 + length), this.#closed.signal);
      if (reply instanceof Uint8Array) replies.push(frameMessage(reply));
      else if (reply !== undefined) this.#answerLater(reply);
      else good = false;
      at += 2 + length;
    }
    if (at > 0) {
      // A busy connection is not idle. Writing and forwarding have time limits of their own.
      clearTimeout(this.#timer);
      onMessages();
      if (replies.length > 0) await this.#write(replies);
      while (this.#pending.size >= MAX_PENDING) await Promise.race(this.#pending);
    }
    return good ? at : undefined;
  }

  #answerLater(reply: Promise<Uint8Array>): void {
    const task = reply.then((bytes) => this.#write([frameMessage(bytes)]))
      .catch(() => this.close())
      .finally(() => this.#pending.delete(task));
    this.#pending.add(task);
  }

  /** Sends replies together with those that became ready during an earlier write. */
  #write(frames: readonly Uint8Array[]): Promise<void> {
    this.#outgoing.push(...frames);
    return this.#flushing ??= this.#flush();
  }

  async #flush(): Promise<void> {
    try {
      while (this.#outgoing.length > 0) {
        const bytes = concat(this.#outgoing);
        this.#outgoing = [];
        await withDeadline(writeAll(this.#stream, bytes), {
          ms: this.#messageMs,
          onTimeout: () => new DOMException("The client does not read its replies", "TimeoutError"),
        });
      }
    } finally {
      // A reply that becomes ready in the next microtask would otherwise wait for this flush.
      this.#flushing = undefined;
    }
  }

  #closeIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), ms);
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Time limits of a connection in milliseconds. */
export interface TcpLimits {
  /**
   * The time limit of a whole message from its first octet (of the first one, from the start), and
   * the time in which the client must read its replies.
   *
   * @default {5000}
   */
  readonly messageMs?: number;
  /** The time limit without a whole message. @default {10000} */
  readonly idleMs?: number;
}

/** Options of {@linkcode TcpConnection}. */
export interface TcpConnectionOptions extends TcpLimits {
  /**
   * The reply to a message, or a promise of it that does not reject; undefined for none. The bytes
   * are valid until it returns. The signal aborts when the connection is closed.
   */
  readonly respond: (
    message: Uint8Array,
    signal: AbortSignal,
  ) => Uint8Array | Promise<Uint8Array> | undefined;
  /** Waits for a turn of the event loop, which bounds the work between two waits. */
  readonly takeTurn: () => Promise<void>;
  /** Called after whole messages are received. */
  readonly onMessages: () => void;
}
