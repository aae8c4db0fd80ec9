import type { ByteStream } from "../../src/system/byte_stream.ts";
import type { AcceptedStream } from "../../src/system/tcp.ts";

/** One direction: bytes in order, at most `highWater` of them unread. */
class Channel {
  readonly #highWater: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  #error: Error | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  get ended(): boolean {
    return this.#ended;
  }

  async read(buffer: Uint8Array, max: number): Promise<number | null> {
    while (this.#size === 0) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      await this.#wake.promise;
    }
    if (this.#error !== undefined) throw this.#error;
    const first = this.#chunks[0]!;
    const part = first.subarray(0, Math.min(buffer.length, max));
    buffer.set(part);
    if (part.length === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(part.length);
    this.#size -= part.length;
    this.#changed();
    return part.length;
  }

  async write(data: Uint8Array, max: number): Promise<number> {
    while (this.#error === undefined && this.#size >= this.#highWater) await this.#wake.promise;
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) throw new Deno.errors.BrokenPipe("write after end");
    const part = data.slice(0, Math.min(max, this.#highWater - this.#size));
    this.#chunks.push(part);
    this.#size += part.length;
    this.#changed();
    return part.length;
  }

  end(): void {
    this.#ended = true;
    this.#changed();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#changed();
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** One end of a connection in memory. */
export class MemoryStream implements AcceptedStream {
  readonly peer = "127.0.0.1";
  readonly #in: Channel;
  readonly #out: Channel;
  readonly #segment: number;
  closed = false;
  /** True after `abort`. */
  aborted = false;

  constructor(channels: { incoming: Channel; outgoing: Channel; segment: number }) {
    this.#in = channels.incoming;
    this.#out = channels.outgoing;
    this.#segment = channels.segment;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("closed"));
    return this.#in.read(buffer, this.#segment);
  }

  write(data: Uint8Array): Promise<number> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("closed"));
    return this.#out.write(data, this.#segment);
  }

  closeWrite(): Promise<void> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("closed"));
    this.#out.end();
    return Promise.resolve();
  }

  close(): void {
    if (this.closed) throw new Deno.errors.BadResource("closed");
    this.closed = true;
    this.#in.fail(new Deno.errors.Interrupted("closed"));
    if (!this.#out.ended) this.#out.end();
  }

  abort(): Promise<void> {
    this.aborted = true;
    if (!this.closed) this.close();
    this.#out.fail(new Deno.errors.ConnectionReset("reset"));
    return Promise.resolve();
  }

  /** Breaks both directions for both ends. */
  reset(): void {
    this.#in.fail(new Deno.errors.ConnectionReset("reset"));
    this.#out.fail(new Deno.errors.ConnectionReset("reset"));
  }

  /** True if the other end has ended its direction. */
  get peerEnded(): boolean {
    return this.#in.ended;
  }
}

/** Options of {@linkcode memoryPair}. */
export interface PairOptions {
  /** The most bytes that one read or write moves. */
  readonly segment?: number;
  readonly highWater?: number;
}

/** Creates both ends of a connection in memory. */
export function memoryPair(options: PairOptions = {}): { near: MemoryStream; far: MemoryStream } {
  const { segment = Infinity, highWater = 65_536 } = options;
  const there = new Channel(highWater);
  const back = new Channel(highWater);
  return {
    near: new MemoryStream({ incoming: back, outgoing: there, segment }),
    far: new MemoryStream({ incoming: there, outgoing: back, segment }),
  };
}

/** Writes all of the data. */
export async function send(stream: ByteStream, data: Uint8Array | string): Promise<void> {
  const bytes = typeof data === "string" ? latin1(data) : data;
  for (let done = 0; done < bytes.length;) done += await stream.write(bytes.subarray(done));
}

/** Copies one direction to its end, and passes the end on as a half-close. */
export async function copyStream(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await from.read(buffer)) !== null;) await send(to, buffer.subarray(0, count));
  await to.closeWrite();
}

/** Reads to the end of the stream. */
export async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
    chunks.push(buffer.slice(0, count));
  }
  return concat(chunks);
}

/** Reads this number of bytes, or fewer if the stream ends first. */
export async function readExactly(stream: ByteStream, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  let have = 0;
  while (have < length) {
    const count = await stream.read(buffer.subarray(have));
    if (count === null) break;
    have += count;
  }
  return buffer.subarray(0, have);
}

/** Reads until the text ends with `end`. */
export async function readUntil(stream: ByteStream, end: string): Promise<string> {
  const buffer = new Uint8Array(1);
  let text = "";
  while (!text.endsWith(end)) {
    if (await stream.read(buffer) === null) break;
    text += String.fromCharCode(buffer[0]!);
  }
  return text;
}

/** Joins the chunks. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** The bytes of a text with one byte per character. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The text of UTF-8 bytes. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Pseudo-random bytes, so that a lost or a doubled byte is noticed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** The bytes of hexadecimal digits. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
