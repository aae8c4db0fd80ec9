import { abortQuietly } from "../../system/byte_stream.ts";
import type { ClientStream } from "../pipe.ts";
import type { OpenExchanges } from "./open_exchanges.ts";

/** The client's side of an HTTP connection, whose exchanges are followed. */
export class FollowedClient implements ClientStream {
  readonly #inner: ClientStream;
  readonly #exchanges: OpenExchanges;

  constructor(inner: ClientStream, exchanges: OpenExchanges) {
    this.#inner = inner;
    this.#exchanges = exchanges;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const count = await this.#inner.read(buffer);
    if (count !== null && count > 0) this.#exchanges.request(buffer.subarray(0, count));
    return count;
  }

  async write(data: Uint8Array): Promise<number> {
    const count = await this.#inner.write(data);
    this.#exchanges.response(data.subarray(0, count));
    return count;
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    this.#inner.close();
  }

  async abort(): Promise<void> {
    await abortQuietly(this.#inner);
  }

  get isRefused(): boolean {
    return this.#inner.isRefused ?? false;
  }

  async isPeerAlive(idleMs: number): Promise<boolean> {
    return await this.#inner.isPeerAlive?.(idleMs) ?? false;
  }
}
