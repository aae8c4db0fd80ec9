import { latin1Text } from "../../lib/latin1.ts";
import type { RequestKind } from "./parse_response.ts";
import { ResponseReader } from "./read_response.ts";

/** The methods that decide where a response ends. */
const KINDS: readonly (readonly [start: string, kind: RequestKind])[] = [
  ["HEAD ", "head"],
  ["CONNECT ", "connect"],
];
const START_BYTES = 8;

/**
 * Follows the requests and responses of an HTTP/1 connection, to tell if one is open. Once it
 * cannot tell any more (a response without a length, another protocol, a malformed head) it knows
 * nothing of the rest. A pipelined request counts from its first response byte: a server may close
 * a connection between two responses (RFC 9112 9.3.2).
 */
export class OpenExchanges {
  readonly #responses = new ResponseReader();

  /** Undefined if it cannot tell. */
  get isOpen(): boolean | undefined {
    const { isIdle, isEndless } = this.#responses;
    if (isIdle) return false;
    return isEndless ? undefined : true;
  }

  /** Looks at bytes of the requests, in order. */
  request(bytes: Uint8Array): void {
    if (!this.#responses.isIdle) return;
    const start = latin1Text(bytes.subarray(0, START_BYTES));
    const kind = KINDS.find(([method]) => start.startsWith(method))?.[1] ?? "other";
    this.#responses.expect(kind);
  }

  /** Looks at bytes of the responses, in order. */
  response(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#responses.isIdle) this.#responses.expect("other");
      rest = rest.subarray(this.#responses.take(rest));
    }
  }
}
