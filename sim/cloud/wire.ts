import { Duplex } from "node:stream";
import type { Socket } from "node:net";

const HIGH_WATER_BYTES = 262_144;

/** How to stop and restart the bytes that come in. */
export interface Flow {
  pause(): unknown;
  resume(): unknown;
}

/** A byte stream as promises: reads with back-pressure, half-close both ways, and a real reset. */
export class Wire {
  /** Fulfils when the TCP connection is closed; never rejects. */
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

  /** @param bottom A TCP socket, or with `above` the wire that carries TLS: then `above` is the stream inside. */
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

  /** The next bytes, or null when the peer has finished. @throws {Error} if the connection broke. One reader at a time. */
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

  /** Puts bytes back, to be read first. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.unshift(bytes);
    this.#queuedBytes += bytes.length;
  }

  /** Writes all the bytes as one piece and waits while the peer does not keep up. @throws {Error} if the connection broke. */
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

  /** Keeps bytes back until the next write, so that both leave in one piece. */
  prefixNextWrite(bytes: Uint8Array): void {
    this.#prefix = bytes;
  }

  /** Resets the connection once so many bytes have passed, in and out together. */
  resetAfter(byteCount: number): void {
    this.#bytesUntilReset = byteCount;
  }

  /** Sends the end of this direction: TLS says close_notify, TCP says FIN; the other direction stays open. Never rejects. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** Ends this direction on every layer, gives the peer `graceMs` to do the same, then closes. Never rejects. */
  async close(graceMs = 1000): Promise<void> {
    await this.end();
    if (this.#below !== undefined) return await this.#below.close(graceMs);
    const timer = setTimeout(() => this.destroy(), graceMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** Reads and drops everything until the peer ends or the connection breaks, then ends this direction too. Never rejects. */
  async drain(): Promise<void> {
    try {
      while (await this.read() !== null) { /* dropped */ }
    } catch { /* Broken is as good as ended. */ }
    await this.end();
  }

  /** Closes both directions at once. */
  destroy(): void {
    this.#stream.destroy();
    this.#socket.destroy();
  }

  /** Drops the connection with a TCP reset. */
  reset(): void {
    this.#fail(new Error("Connection was reset on purpose"));
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

  /** Counts traffic against a planned reset; true once it is due. */
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

/** Both directions until both have finished; an end is passed on as an end, a break as a reset. */
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

/** Two pieces as one. */
export function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/** A wire as a node stream, for TLS to stand on; pausing it really stops the reading, which pausing a TLS socket does not. */
export class WireDuplex extends Duplex {
  readonly #wire: Wire;
  #held = false;
  #wanted = false;
  #reading = false;

  /** @param wire Belongs to this stream from now on. */
  constructor(wire: Wire) {
    super({ allowHalfOpen: true });
    this.#wire = wire;
    void wire.closed.then(() => this.destroy());
  }

  /** Stops taking bytes from the wire. */
  hold(): void {
    this.#held = true;
  }

  /** Takes bytes from the wire again. */
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
    // A TLS socket destroys what is under it as soon as both directions have ended, when the last records may still be on their
    // way: only an error may cut them off. Whoever owns the wire closes it.
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
        // push() asks for more by calling _read() before it returns.
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
