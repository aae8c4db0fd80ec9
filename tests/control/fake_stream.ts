import type { ByteStream } from "../../src/system/byte_stream.ts";

/** A stream that reads chunks, then its end (or nothing if silent), and records what is written. */
export class FakeStream implements ByteStream {
  readonly closed = Promise.withResolvers<void>();
  readonly #chunks: Uint8Array[];
  readonly #silent: boolean;
  #written = "";

  constructor(chunks: readonly (string | Uint8Array)[], options: { silent?: boolean } = {}) {
    this.#chunks = chunks.map((chunk) => typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
    this.#silent = options.silent ?? false;
  }

  get written(): string {
    return this.#written;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return this.#silent ? new Promise(() => {}) : Promise.resolve(null);
    const count = Math.min(buffer.length, chunk.length);
    buffer.set(chunk.subarray(0, count));
    if (count < chunk.length) this.#chunks.unshift(chunk.subarray(count));
    return Promise.resolve(count);
  }

  write(data: Uint8Array): Promise<number> {
    this.#written += new TextDecoder().decode(data);
    return Promise.resolve(data.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.closed.resolve();
  }
}
