import { Duplex } from "node:stream";
import type { Socket } from "node:net";

const HIGH_WATER_BYTES = 262_144;

/** Stops and restarts incoming bytes. */
export interface Flow {
  pause(): unknown;
  resume(): unknown;
}

/**
 * A byte stream with promises: reads with back-pressure, half-close in both directions, and resets.
 */
export class Wire {
  /** Fulfils once the TCP connection is closed; never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #stream: Duplex;
  readonly #flow: Flow;
  readonly #below: Wire | undefined;
  #chunks: Uint8Array[] = [];
  #queuedBytes = 0;
  #paused = false;
  #ended = false;
  #failure: Error | undefined;
  #reader: PromiseWithResolvers<Uint8Array | null> | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #ending: Promise<void> | undefined;
  #prefix: Uint8Array | undefined;
  #bytesUntilReset: number | undefined;

  /** @param bottom A TCP socket, or the wire that carries TLS with `above` as the stream inside. */
  constructor(bottom: Socket | Wire, above?: { stream: Duplex; flow: Flow }) {
    this.#below = bottom instanceof Wire ? bottom : undefined;
    this.#socket = bottom instanceof Wire ? bottom.#socket : bottom;
    const stream = above?.stream ?? this.#socket;
    this.#stream = stream;
    this.#flow = above?.flow ?? stream;
    this.closed = this.#below?.closed ??
      new Promise((resolve) => this.#socket.once("close", () => resolve()));
    stream.on("data", (chunk: Uint8Array) => this.#arrived(chunk));
    stream.on("end", () => {
      this.#ended = true;
      this.#reader?.resolve(null);
      this.#reader = undefined;
    });
    stream.on("drain", () => {
      this.#drained?.resolve();
      this.#drained = undefined;
    });
    stream.on("error", (error: Error) => this.#fail(error));
    stream.on("close", () => this.#fail(new Error("Stream is closed")));
  }

  /** The TCP socket at the bottom. */
  get socket(): Socket {
    return this.#socket;
  }

  /**
   * The next bytes, or null once the peer has ended. Only one read at a time is allowed.
   *
   * @throws {Error} If the connection broke.
   */
  async read(): Promise<Uint8Array | null> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#queuedBytes -= chunk.length;
      if (this.#paused && this.#queuedBytes < HIGH_WATER_BYTES / 2) {
        this.#paused = false;
        this.#flow.resume();
      }
      return chunk;
    }
    if (this.#ended) return null;
    if (this.#failure !== undefined) throw this.#failure;
    this.#reader = Promise.withResolvers();
    return await this.#reader.promise;
  }

  /** Puts bytes back, so that they are read next. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.unshift(bytes);
    this.#queuedBytes += bytes.length;
  }

  /** Writes bytes in one piece, with back-pressure. @throws {Error} If the connection broke. */
  async write(bytes: Uint8Array | string): Promise<void> {
    let piece: Uint8Array = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    if (this.#prefix !== undefined) {
      piece = concat(this.#prefix, piece);
      this.#prefix = undefined;
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#spend(piece.length)) {
      const last = piece.subarray(0, this.#bytesUntilReset);
      const written = new Promise<void>((resolve) => this.#stream.write(last, () => resolve()));
      await Promise.race([written, this.closed]);
      return this.reset();
    }
    if (piece.length > 0 && !this.#stream.write(piece)) {
      this.#drained ??= Promise.withResolvers();
      await this.#drained.promise;
    }
  }

  /** Holds bytes back until the next write, so that both are sent in one piece. */
  prefixNextWrite(bytes: Uint8Array): void {
    this.#prefix = bytes;
  }

  /** Resets the connection after so many bytes, in and out together. */
  resetAfter(byteCount: number): void {
    this.#bytesUntilReset = byteCount;
  }

  /**
   * Ends this direction with close_notify (TLS) or FIN (TCP); the other direction stays open. Never
   * rejects.
   */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /**
   * Ends this direction on every layer, and closes after `graceMs` at the latest. Never rejects.
   */
  async close(graceMs = 1000): Promise<void> {
    await this.end();
    if (this.#below !== undefined) return await this.#below.close(graceMs);
    const timer = setTimeout(() => this.destroy(), graceMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** Drops everything that comes until the peer ends, then ends this direction. Never rejects. */
  async drain(): Promise<void> {
    try {
      while (await this.read() !== null) { /* dropped */ }
    } catch { /* A broken connection has ended as well. */ }
    await this.end();
  }

  /** Closes both directions at once. */
  destroy(): void {
    this.#stream.destroy();
    this.#socket.destroy();
  }

  /** Resets the TCP connection. */
  reset(): void {
    this.#fail(new Error("Connection was reset by a fault"));
    this.#socket.resetAndDestroy();
    this.#stream.destroy();
  }

  async #end(): Promise<void> {
    if (this.#failure !== undefined) return;
    if (this.#prefix !== undefined) this.#stream.write(this.#prefix);
    this.#prefix = undefined;
    const finished = new Promise<void>((resolve) => this.#stream.end(() => resolve()));
    await Promise.race([finished, this.closed]);
  }

  #arrived(chunk: Uint8Array): void {
    if (this.#spend(chunk.length)) return this.reset();
    if (this.#reader !== undefined) {
      this.#reader.resolve(chunk);
      this.#reader = undefined;
      return;
    }
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    if (!this.#paused && this.#queuedBytes >= HIGH_WATER_BYTES) {
      this.#paused = true;
      this.#flow.pause();
    }
  }

  /** Counts bytes until a planned reset. True once the reset is due. */
  #spend(byteCount: number): boolean {
    if (this.#bytesUntilReset === undefined) return false;
    const left = this.#bytesUntilReset;
    if (left > byteCount) {
      this.#bytesUntilReset = left - byteCount;
      return false;
    }
    return true;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    if (this.#reader !== undefined) {
      this.#reader.reject(this.#failure);
      this.#reader = undefined;
    }
    if (this.#drained !== undefined) {
      this.#drained.reject(this.#failure);
      this.#drained = undefined;
    }
  }
}

/** Copies both directions until both have ended; a broken connection becomes a reset. */
export async function splice(one: Wire, other: Wire): Promise<void> {
  const results = await Promise.allSettled([copy(one, other), copy(other, one)]);
  if (results.some((result) => result.status === "rejected")) {
    one.reset();
    other.reset();
  }
}

async function copy(from: Wire, to: Wire): Promise<void> {
  try {
    for (let chunk = await from.read(); chunk !== null; chunk = await from.read()) await to.write(chunk);
  } catch (error) {
    to.reset();
    from.reset();
    throw error;
  }
  await to.end();
}

/** Joins two arrays. */
export function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/**
 * A wire as a node stream, below TLS. Holding it stops the reading, which pausing a TLS socket does
 * not.
 */
export class WireDuplex extends Duplex {
  readonly #wire: Wire;
  #held = false;
  #wanted = false;
  #reading = false;

  /** @param wire The wire, which this stream takes over. */
  constructor(wire: Wire) {
    super({ allowHalfOpen: true });
    this.#wire = wire;
    void wire.closed.then(() => this.destroy());
  }

  /** Stops reading from the wire. */
  hold(): void {
    this.#held = true;
  }

  /** Reads from the wire again. */
  release(): void {
    this.#held = false;
    void this.#pump();
  }

  override _read(): void {
    this.#wanted = true;
    void this.#pump();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#wire.write(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    void this.#wire.end().then(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // A TLS socket destroys its stream as soon as both directions have ended, possibly before the
    // last records are sent. So only an error destroys the wire here; its owner closes it
    // otherwise.
    if (error === null) void this.#wire.end();
    else this.#wire.destroy();
    done(error);
  }

  async #pump(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#wanted && !this.#held) {
        const chunk = await this.#wire.read();
        this.#wanted = false;
        // push() may call _read() before it returns.
        this.push(chunk);
        if (chunk === null) return;
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#reading = false;
    }
  }
}
