import { BadChunk, ChunkedBody } from "./chunked_body.ts";
import { MAX_HEAD_BYTES } from "./parse_head.ts";

const END_OF_HEAD = "\r\n\r\n";
/** A response of an endpoint may have a larger head than a request that must be routed. */
const MAX_RESPONSE_HEAD = 4 * MAX_HEAD_BYTES;
/** The longest method that has a meaning here, `CONNECT`, with its space. */
const METHOD_BYTES = 8;

/**
 * Follows the requests and responses of an HTTP/1 connection, to tell if one is open. It looks at
 * the heads and chunk lines of responses only, keeps no body, and changes nothing. Once it cannot
 * tell any more (a response without a length, another protocol, a malformed head) it knows nothing
 * of the rest. A pipelined request counts from its first response byte: a server may close a
 * connection between two responses (RFC 9112 9.3.2).
 */
export class OpenExchanges {
  /** The method of the request without a complete response; undefined if there is none. */
  #method: string | undefined;
  #state: State = { kind: "head", text: "" };

  /** Undefined if it cannot tell. */
  get isOpen(): boolean | undefined {
    const state = this.#state;
    if (state.kind === "unknown") return undefined;
    return this.#method !== undefined || state.kind !== "head" || state.text !== "";
  }

  /** Looks at bytes of the requests, in order. */
  request(bytes: Uint8Array): void {
    this.#method ??= latin1(bytes.subarray(0, METHOD_BYTES)).split(" ")[0]!;
  }

  /** Looks at bytes of the responses, in order. */
  response(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length;) {
      const taken = this.#take(bytes.subarray(start));
      if (taken === 0) return;
      start += taken;
    }
  }

  /** Returns the number of bytes that need no second look; 0 if all do, or none will. */
  #take(bytes: Uint8Array): number {
    const state = this.#state;
    switch (state.kind) {
      case "unknown":
        return 0;
      case "body": {
        const count = Math.min(bytes.length, state.left);
        state.left -= count;
        if (state.left === 0) this.#end();
        return count;
      }
      case "chunked":
        return this.#takeChunks(bytes, state);
      case "head":
        return this.#takeHead(bytes, state);
    }
  }

  #takeHead(bytes: Uint8Array, state: { text: string }): number {
    const before = state.text.length;
    const more = latin1(bytes.subarray(0, MAX_RESPONSE_HEAD - before + 1));
    const from = Math.max(0, before - END_OF_HEAD.length);
    state.text += more;
    const end = state.text.indexOf(END_OF_HEAD, from);
    if (end >= 0) {
      this.#state = this.#afterHead(state.text.slice(0, end));
      return end + END_OF_HEAD.length - before;
    }
    if (state.text.length > MAX_RESPONSE_HEAD) this.#state = { kind: "unknown" };
    return more.length;
  }

  /** By the rules of RFC 9112 6.3. */
  #afterHead(head: string): State {
    const status = Number(/^HTTP\/1\.[01] ([1-9][0-9]{2})(?: |\r|$)/.exec(head)?.[1] ?? NaN);
    const method = this.#method;
    if (Number.isNaN(status) || status === 101) return { kind: "unknown" };
    if (method === "CONNECT" && status >= 200 && status < 300) return { kind: "unknown" };
    if (status < 200) return { kind: "head", text: "" };
    if (method === "HEAD" || status === 204 || status === 304) return this.#end();
    const codings = valuesOf(head, "transfer-encoding");
    if (codings.length > 0) {
      return /(^|,)\s*chunked\s*$/i.test(codings.join(","))
        ? { kind: "chunked", body: new ChunkedBody(), rest: new Uint8Array() }
        : { kind: "unknown" };
    }
    const lengths = new Set(valuesOf(head, "content-length"));
    const [length = ""] = lengths;
    if (lengths.size !== 1 || !/^[0-9]{1,15}$/.test(length)) return { kind: "unknown" };
    return Number(length) === 0 ? this.#end() : { kind: "body", left: Number(length) };
  }

  #takeChunks(bytes: Uint8Array, state: { body: ChunkedBody; rest: Uint8Array }): number {
    const { body, rest } = state;
    const input = rest.length === 0 ? bytes : concat(rest, bytes);
    try {
      const taken = body.take(input);
      if (body.isDone) {
        this.#end();
        return taken - rest.length;
      }
      // A line that is not complete yet; its length is limited.
      state.rest = input.slice(taken);
      return bytes.length;
    } catch (error) {
      if (!(error instanceof BadChunk)) throw error;
      this.#state = { kind: "unknown" };
      return 0;
    }
  }

  #end(): State {
    this.#method = undefined;
    return this.#state = { kind: "head", text: "" };
  }
}

type State =
  | { kind: "head"; text: string }
  | { kind: "body"; left: number }
  | { kind: "chunked"; body: ChunkedBody; rest: Uint8Array }
  | { kind: "unknown" };

function valuesOf(head: string, name: string): string[] {
  return head.split("\r\n").slice(1).flatMap((line) => {
    const colon = line.indexOf(":");
    return line.slice(0, colon).toLowerCase() === name ? [line.slice(colon + 1).trim()] : [];
  });
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
