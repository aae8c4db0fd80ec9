import { abortQuietly, type ByteStream } from "../../system/byte_stream.ts";
import { sleep } from "../../system/clock.ts";
import type { FirstBytes } from "../first_bytes.ts";
import { MAX_SILENT_TIMEOUTS } from "../pipe.ts";

/** Large enough for most heads. It grows for a larger one, and shrinks when that is passed on. */
const INPUT_BYTES = 16_384;

/**
 * The bytes of a client that have come and were not passed on. At most one read is under way; one
 * that a wait has begun serves the next caller.
 */
export class ClientInput {
  readonly #client: ByteStream;
  #buffer: Uint8Array;
  #start = 0;
  #end: number;
  /** The read under way. Kept when it fails or finds the end, as there is nothing more to read. */
  #reading: Promise<boolean> | undefined;
  #sentAt = 0;

  constructor(client: ByteStream, first: FirstBytes) {
    const initial = first.take();
    this.#client = client;
    this.#buffer = new Uint8Array(Math.max(INPUT_BYTES, initial.length));
    this.#buffer.set(initial);
    this.#end = initial.length;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** True if a read is under way, or nothing more comes. */
  get isReading(): boolean {
    return this.#reading !== undefined;
  }

  /** Drops bytes at the front. */
  drop(count: number): void {
    this.#start += count;
  }

  /** Notes that the client has taken bytes. */
  noteSent(): void {
    this.#sentAt = performance.now();
  }

  /** Reads more, into a buffer of up to `maxBytes`. Resolves to false at the end of the stream. */
  readMore(maxBytes: number): Promise<boolean> {
    if (this.#reading === undefined) {
      this.#makeRoom(maxBytes);
      this.#reading = this.#read();
      // A read that a wait began may fail when nobody waits for it.
      this.#reading.catch(() => {});
    }
    return this.#reading;
  }

  /**
   * Waits for what `result` resolves to. Reads on meanwhile while there is room, so that the end of
   * the client is noticed. A client that has ended may still wait for its answers: the kernel is
   * asked every `closeTimeoutMs()` if it is there, as `pipe` does, and so for one that has filled
   * the buffer.
   *
   * @throws If the client is gone, or has ended and taken nothing for `MAX_SILENT_TIMEOUTS`.
   */
  async during<T>(result: Promise<T>, closeTimeoutMs: () => number): Promise<T> {
    const over = new AbortController();
    try {
      return await Promise.race([result, this.#watch(closeTimeoutMs, over.signal)]);
    } finally {
      over.abort();
    }
  }

  async #watch(closeTimeoutMs: () => number, signal: AbortSignal): Promise<never> {
    let endedAt: number | undefined;
    while (!signal.aborted) {
      if (endedAt === undefined && this.bytes.length < this.#buffer.length) {
        if (!(await this.readMore(this.#buffer.length))) endedAt = performance.now();
        continue;
      }
      const ms = closeTimeoutMs();
      await sleep(ms, { signal });
      const isAlive = await this.#client.isPeerAlive?.(ms) ?? endedAt === undefined;
      const stillMs = performance.now() - Math.max(endedAt ?? Infinity, this.#sentAt);
      if (!isAlive || stillMs >= MAX_SILENT_TIMEOUTS * ms) {
        await abortQuietly(this.#client);
        throw new Error("Cannot wait for the answer: the client is gone");
      }
    }
    throw signal.reason;
  }

  async #read(): Promise<boolean> {
    const count = await this.#client.read(this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    this.#reading = undefined;
    return true;
  }

  /** Makes the buffer larger if it is full. */
  #makeRoom(maxBytes: number): void {
    this.compact();
    const full = this.#buffer;
    if (this.#end < full.length) return;
    this.#buffer = new Uint8Array(Math.max(full.length + 1, Math.min(2 * full.length, maxBytes)));
    this.#buffer.set(full);
  }

  /**
   * Moves the bytes to the front, and gives the memory of a large head back. Not while a read is
   * under way.
   */
  compact(): void {
    const rest = this.bytes;
    if (rest.length < INPUT_BYTES && this.#buffer.length > INPUT_BYTES) {
      this.#buffer = new Uint8Array(INPUT_BYTES);
      this.#buffer.set(rest);
    } else if (this.#start > 0) this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end = rest.length;
    this.#start = 0;
  }
}
