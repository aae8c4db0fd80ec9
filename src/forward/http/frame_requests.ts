import type { HttpRefusal } from "./refuse.ts";
import { rewriteHead } from "./rewrite_head.ts";
import { MAX_HEAD_BYTES, parseField, type RequestHead, sniffHttp, valuesOf } from "./sniff_http.ts";

/** What may happen to the bytes at the front of the input. */
export type Step =
  /** So many go on; if there is an `instead`, in that spelling. */
  | { readonly kind: "pass"; readonly count: number; readonly instead?: Uint8Array }
  /** Not clear yet. Up to `unseen` of the bytes to come may go on without a look. */
  | { readonly kind: "more"; readonly unseen: number }
  /** It depends on the server's answer to a request to switch protocols: see {@linkcode RequestFramer.answerSwitch}. */
  | { readonly kind: "switch" }
  | { readonly kind: "refuse"; readonly refusal: HttpRefusal };

/** Options of {@linkcode RequestFramer}. */
export interface FramerOptions {
  /** Whether the request may go where the connection leads; if not, what to say. */
  readonly admit: (head: RequestHead) => HttpRefusal | undefined;
  /** What every request's Host becomes; undefined: it stays. */
  readonly hostField?: string | undefined;
}

/** How a request would have its connection carry something else than HTTP/1. */
export type SwitchKind = "connect" | "upgrade";

type State =
  | { kind: "head" | "chunk_size" | "chunk_end" | "trailers" | "switch" | "raw" }
  | { kind: "body"; left: number; then: "chunk_end" | "done" };

const MAX_CHUNK_LINE_BYTES = 1024;
/** What decides where a request goes and ends must stand in its head (RFC 9110 6.5.1). */
const NO_TRAILERS: ReadonlySet<string> = new Set(["host", "content-length", "transfer-encoding"]);
// deno-lint-ignore no-control-regex
const CHUNK_LINE = /^([0-9a-f]{1,13})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?$/i;

/**
 * Finds where each request of a connection begins and ends, by the strict rules of RFC 9112, asks about each, and gives it another Host if
 * it is told to. Values in, values out: call `next` with the bytes that have not gone on yet, drop what it lets pass, and call again.
 *
 * Only the first request of a connection can switch protocols, so that the first answer tells whether it did. `Upgrade` is taken out of
 * later ones, and so is an upgrade to h2c, under which each stream could name another host (RFC 9110 7.8 leaves both to an intermediary).
 */
export class RequestFramer {
  readonly #options: FramerOptions;
  #state: State = { kind: "head" };
  #requests = 0;
  #trailerBytes = 0;
  #switch: SwitchKind | undefined;

  constructor(options: FramerOptions) {
    this.#options = options;
  }

  /** Whether the next bytes belong to a head. */
  get inHead(): boolean {
    return this.#state.kind === "head";
  }

  /** What may happen to the input. Steps other than `pass` change nothing. */
  next(input: Uint8Array): Step {
    const state = this.#state;
    if (state.kind === "raw") {
      return input.length > 0 ? pass(input.length) : { kind: "more", unseen: Infinity };
    }
    if (state.kind === "switch") return { kind: "switch" };
    if (state.kind === "body") {
      if (input.length === 0) return { kind: "more", unseen: state.left };
      const count = Math.min(input.length, state.left);
      this.countUnseen(count);
      return pass(count);
    }
    if (state.kind === "head") return this.#head(input);
    return this.#line(input, state.kind);
  }

  /** So many of the bytes that `more` allowed have gone on unseen. */
  countUnseen(count: number): void {
    const state = this.#state;
    if (state.kind !== "body") return;
    state.left -= count;
    if (state.left > 0) return;
    if (state.then === "done") this.#endRequest();
    else this.#state = { kind: state.then };
  }

  /** The server's answer to the first request: whether the connection now carries something else. */
  answerSwitch(switched: boolean): void {
    this.#switch = undefined;
    this.#state = { kind: switched ? "raw" : "head" };
  }

  #head(input: Uint8Array): Step {
    const sniff = sniffHttp(input);
    if (sniff === "more") return { kind: "more", unseen: 0 };
    if (sniff.kind === "h2") return refuse("HTTP/2 without TLS is not served here");
    if (sniff.kind === "error") return refuse(sniff.reason, sniff.status);
    const { head } = sniff;
    if (this.#requests > 0 && head.method === "CONNECT") {
      return refuse("CONNECT must be the first request of its connection");
    }
    const refusal = this.#options.admit(head);
    if (refusal !== undefined) return { kind: "refuse", refusal };
    this.#switch = this.#requests++ === 0 ? switchOf(head) : undefined;
    if (head.body === "chunked") this.#state = { kind: "chunk_size" };
    else if (head.body > 0) this.#state = { kind: "body", left: head.body, then: "done" };
    else this.#endRequest();
    const instead = rewriteHead(input, head, {
      hostField: this.#options.hostField ?? hostOfTarget(input, head),
      keepUpgrade: this.#switch !== undefined,
    });
    return instead === undefined ? pass(head.length) : { kind: "pass", count: head.length, instead };
  }

  #line(input: Uint8Array, kind: "chunk_size" | "chunk_end" | "trailers" | "head" | "switch" | "raw"): Step {
    const limit = kind === "trailers"
      ? MAX_HEAD_BYTES - this.#trailerBytes
      : kind === "chunk_end"
      ? 2
      : MAX_CHUNK_LINE_BYTES;
    const window = input.subarray(0, limit);
    const lf = window.indexOf(0x0a);
    if (lf === -1) {
      return window.length < limit ? { kind: "more", unseen: 0 } : refuse("the chunked body is malformed");
    }
    if (lf === 0 || input[lf - 1] !== 0x0d) return refuse("a line ends without a carriage return");
    const line = new TextDecoder("latin1").decode(input.subarray(0, lf - 1));
    if (kind === "chunk_end") this.#state = { kind: "chunk_size" };
    else if (kind === "trailers") {
      this.#trailerBytes += lf + 1;
      if (line === "") this.#endRequest();
      else {
        const field = parseField(line);
        if (field === undefined) return refuse("a trailer field is malformed");
        if (NO_TRAILERS.has(field.name)) return refuse(`${field.name} stands in the trailers`);
      }
    } else {
      const size = CHUNK_LINE.exec(line)?.[1];
      if (size === undefined) return refuse("a chunk size is malformed");
      const left = parseInt(size, 16);
      if (left === 0) this.#trailerBytes = 0;
      this.#state = left === 0 ? { kind: "trailers" } : { kind: "body", left, then: "chunk_end" };
    }
    return pass(lf + 1);
  }

  #endRequest(): void {
    this.#state = { kind: this.#switch === undefined ? "head" : "switch" };
  }
}

/** Whether the request, if it is a connection's first, can switch it to another protocol. */
export function switchOf(head: RequestHead): SwitchKind | undefined {
  if (head.method === "CONNECT") return "connect";
  const protocols = valuesOf(head.fields, "upgrade").join(",").split(",").map((name) =>
    name.trim().toLowerCase()
  ).filter(Boolean);
  return protocols.length > 0 && !protocols.includes("h2c") ? "upgrade" : undefined;
}

/** What Host must become if an absolute-form target names another one (RFC 9112 3.2.2). */
function hostOfTarget(input: Uint8Array, head: RequestHead): string | undefined {
  const { authority, fields } = head;
  if (authority === undefined) return undefined;
  const named = new TextDecoder("latin1").decode(input.subarray(authority.start, authority.end));
  return fields.some(({ name, value }) => name === "host" && value === named) ? undefined : named;
}

function pass(count: number): Step {
  return { kind: "pass", count };
}

function refuse(reason: string, status: 400 | 431 = 400): Step {
  return { kind: "refuse", refusal: { status, reason: `Cannot read the request: ${reason}` } };
}
