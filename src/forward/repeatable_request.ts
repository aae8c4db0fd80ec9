import { type ByteStream, writeAll } from "../system/byte_stream.ts";
import type { RequestHead } from "./http/parse_head.ts";

/**
 * A request on a kept upstream that can be sent again on another one (RFC 9110 9.2.2), because it
 * is safe and has no body: the server may have closed the kept one at the same moment.
 */
export class RepeatableRequest {
  readonly head: RequestHead;
  /** True from the moment when it may be sent. */
  isSent = false;
  /** At most one head. */
  readonly #parts: Uint8Array[] = [];

  constructor(head: RequestHead) {
    this.head = head;
  }

  /** Sends a part of the request and remembers it. Returns its length. */
  async send(part: Uint8Array, stream: ByteStream): Promise<number> {
    this.#parts.push(part.slice());
    try {
      await writeAll(stream, part);
    } catch {
      // The next read notices that the upstream has ended, and the request is repeated.
    }
    return part.length;
  }

  /** Sends all parts again. */
  async sendTo(stream: ByteStream): Promise<void> {
    for (const part of this.#parts) await writeAll(stream, part);
  }
}
