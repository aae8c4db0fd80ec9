import { abortQuietly, type ByteStream } from "../../system/byte_stream.ts";
import type { SwitchKind } from "./frame_requests.ts";

/** The limit of a response's head. */
const MAX_HEAD_BYTES = 32_768;
const STATUS_LINE = /^HTTP\/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n/;
const HEAD_END = /\r?\n\r?\n/g;
const LF = 0x0a;

/**
 * The upstream of a connection whose first request asked to switch protocols. Reads the response
 * while it passes, to find out whether the server switched.
 */
export class SwitchDetector implements ByteStream {
  readonly #inner: ByteStream;
  readonly #kind: SwitchKind;
  readonly #decision = Promise.withResolvers<boolean>();
  #head: string | undefined = "";

  constructor(inner: ByteStream, kind: SwitchKind) {
    this.#inner = inner;
    this.#kind = kind;
  }

  /**
   * Resolves to true if the server switches: 101, or any 2xx for CONNECT (RFC 9110 9.3.6, 15.2.2).
   * Resolves to false if it does not, or the connection ends first.
   */
  get switched(): Promise<boolean> {
    return this.#decision.promise;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#head === undefined) return await this.#inner.read(buffer);
    try {
      const count = await this.#inner.read(buffer);
      if (count === null) this.#decide(false);
      else this.inspect(buffer.subarray(0, count));
      return count;
    } catch (error) {
      this.#decide(false);
      throw error;
    }
  }

  /** Inspects bytes that came from the server. */
  inspect(bytes: Uint8Array): void {
    if (this.#head === undefined) return;
    // No byte is searched twice, so that a server that sends single bytes costs no more.
    let from = Math.max(0, this.#head.length - 3);
    this.#head += new TextDecoder("latin1").decode(bytes);
    if (!bytes.includes(LF) && this.#head.length <= MAX_HEAD_BYTES) return;
    for (;; from = 0) {
      const line = STATUS_LINE.exec(this.#head);
      if (line === null) {
        if (this.#head.includes("\n") || this.#head.length > MAX_HEAD_BYTES) this.#decide(false);
        return;
      }
      const status = Number(line[1]);
      const isInterim = status < 200 && status !== 101;
      if (!isInterim) return this.#decide(this.#kind === "connect" ? status < 300 : status === 101);
      HEAD_END.lastIndex = from;
      const end = HEAD_END.exec(this.#head);
      if (end === null) {
        if (this.#head.length > MAX_HEAD_BYTES) this.#decide(false);
        return;
      }
      this.#head = this.#head.slice(end.index + end[0].length);
    }
  }

  write(data: Uint8Array): Promise<number> {
    return this.#inner.write(data);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    this.#decide(false);
    this.#inner.close();
  }

  async abort(): Promise<void> {
    this.#decide(false);
    await abortQuietly(this.#inner);
  }

  #decide(switched: boolean): void {
    this.#head = undefined;
    this.#decision.resolve(switched);
  }
}
