import { Mutex } from "../lib/mutex.ts";
import { closeQuietly, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import type { ByteStream } from "../system/net.ts";
import { frameMessage } from "./frame.ts";
import { uint16 } from "./query.ts";

/** Longer queries have no meaning; whoever announces one is not a client. */
const MAX_MESSAGE_BYTES = 4096;
/** How many queries of one connection may wait for another server before no more is read (RFC 7766 6.2.1.1). */
const MAX_PENDING = 128;

/** Time limits of a connection in milliseconds. */
export interface TcpLimits {
  /** For a whole message from its first octet, for the first one from the start, and for the client to take its answers. @default {5000} */
  readonly messageMs?: number;
  /** Without a whole message; single octets count for nothing. @default {10000} */
  readonly idleMs?: number;
}

/** What a connection hands its messages to. */
export interface TcpConnectionOptions extends TcpLimits {
  /** The reply to a message, at once or later (then it must not reject); undefined for none. The bytes are good until it returns. The signal aborts when nobody waits for it any more. */
  readonly respond: (
    message: Uint8Array,
    signal: AbortSignal,
  ) => Uint8Array | Promise<Uint8Array> | undefined;
  /** Called when whole messages came. */
  readonly onMessages: () => void;
}

/** One DNS connection: many queries, each answered as soon as its answer is there (RFC 7766 6.2.1.1). */
export class TcpConnection {
  readonly #stream: ByteStream;
  readonly #options: TcpConnectionOptions;
  readonly #messageMs: number;
  readonly #idleMs: number;
  readonly #writes = new Mutex();
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

  /** Whether a query waits for its answer. */
  get isBusy(): boolean {
    return this.#pending.size > 0;
  }

  /** Serves until the client has ended and has all its answers, or a limit is reached, or it sends what is no query. Rejects as the stream does. */
  async run(): Promise<void> {
    try {
      await this.#serve();
      await Promise.all(this.#pending);
    } finally {
      this.close();
    }
  }

  /** Ends it at once. */
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

  /** Answers the whole messages at the start of `bytes`; gives their length, or undefined if one of them is none that has an answer. */
  async #takeMessages(bytes: Uint8Array): Promise<number | undefined> {
    const { respond, onMessages } = this.#options;
    const replies: Uint8Array[] = [];
    let at = 0;
    let good = true;
    while (good && at + 2 <= bytes.length) {
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
      // While it is served it is not idle: writing has a limit of its own, and so has asking another server.
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

  #write(frames: readonly Uint8Array[]): Promise<void> {
    const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
    let at = 0;
    for (const frame of frames) {
      bytes.set(frame, at);
      at += frame.length;
    }
    return this.#writes.run(() =>
      withDeadline(writeAll(this.#stream, bytes), {
        ms: this.#messageMs,
        onTimeout: () => new DOMException("The client does not read its answers", "TimeoutError"),
      })
    );
  }

  #closeIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), ms);
  }
}
