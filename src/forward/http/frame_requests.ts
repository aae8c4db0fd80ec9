import { latin1Text, ownText } from "../../lib/latin1.ts";
import { BadChunk, ChunkedBody } from "./chunked_body.ts";
import { type HeadRules, SHARED_HEAD } from "./head_rules.ts";
import { type RequestHead, valuesOf } from "./parse_head.ts";
import { type HttpRefusal, unreadable, type UnreadableOptions } from "./refuse.ts";
import { rewriteHead } from "./rewrite_head.ts";
import { PartialHead, sniffHttp } from "./sniff_http.ts";

/** The fields that may decide where a request goes. */
const ROUTING_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "host",
  "origin",
  "sec-fetch-site",
  "upgrade",
]);

/**
 * Finds the beginning and the end of each request of a connection by the rules of its listener,
 * asks `admit` about each, and replaces its Host if `hostField` is set. Does no I/O: call `next`
 * with the bytes that have not been passed on yet, drop those that it passes, and call it again.
 *
 * Any request may switch protocols; a CONNECT only if nothing but refused CONNECTs came before. An
 * upgrade to h2c is removed, as RFC 9110 7.8 permits, because each stream could name another host.
 */
export class RequestFramer {
  readonly #options: FramerOptions;
  #state: State = { kind: "head", partial: new PartialHead() };
  /** The rules of the head under way, or of the last one. */
  #rules: HeadRules = SHARED_HEAD;
  /** True if a request other than CONNECT has passed. */
  #hasRequested = false;
  #switch: SwitchKind | undefined;

  constructor(options: FramerOptions) {
    this.#options = options;
  }

  /** The largest size of what must be read as a whole, which is a head. */
  get maxInputBytes(): number {
    return this.#rules.maxBytes;
  }

  /** True if the next bytes belong to a head. */
  get inHead(): boolean {
    return this.#state.kind === "head";
  }

  /** True if the next bytes belong to the trailers of a chunked body. */
  get inTrailers(): boolean {
    return this.#state.kind === "chunked" && this.#state.body.inTrailers;
  }

  /** Decides about the front of the input. Only the step `pass` changes the state. */
  next(input: Uint8Array): FrameResult {
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
    if (state.kind === "chunked") return this.#chunked(input, state.body);
    return this.#head(input, state.partial);
  }

  /** Counts bytes that were passed on unread, as the step `more` allowed. */
  countUnseen(count: number): void {
    const state = this.#state;
    if (state.kind === "chunked") state.body.takeData(count);
    if (state.kind !== "body") return;
    state.left -= count;
    if (state.left === 0) this.#endRequest();
  }

  /**
   * Continues after the server's response to a request to switch: `switched` if the connection left
   * HTTP/1.
   */
  answerSwitch(switched: boolean): void {
    this.#switch = undefined;
    this.#state = switched ? { kind: "raw" } : { kind: "head", partial: new PartialHead() };
  }

  #head(input: Uint8Array, partial: PartialHead): FrameResult {
    // A head that has begun keeps its rules.
    if (partial.searched === 0) this.#rules = this.#options.rules?.() ?? SHARED_HEAD;
    const sniff = sniffHttp(input, { partial, rules: this.#rules });
    if (sniff === "more") {
      const emptyLines = this.#rules.isLenient && partial.lines === 0 ? partial.start : 0;
      if (emptyLines === 0) return { kind: "more", unseen: 0 };
      // An empty line behind a body begins no request whose head could be late.
      this.#state = { kind: "head", partial: new PartialHead() };
      return { kind: "pass", count: emptyLines, instead: new Uint8Array(0) };
    }
    if (sniff.kind === "h2") return badRequest("HTTP/2 without TLS is not supported here");
    if (sniff.kind === "error") return badRequest(sniff.reason, sniff);
    const { head } = sniff;
    const isConnect = head.method === "CONNECT";
    if (this.#hasRequested && isConnect) {
      return badRequest("CONNECT must be the first request of its connection");
    }
    const refusal = this.#options.admit(head);
    if (refusal === "hold") return { kind: "hold", head: heldHead(head) };
    if (refusal !== undefined) return { kind: "refuse", refusal };
    this.#hasRequested ||= !isConnect;
    this.#switch = switchOf(head);
    if (head.body === "chunked") this.#state = { kind: "chunked", body: new ChunkedBody() };
    else if (head.body > 0) this.#state = { kind: "body", left: head.body };
    else this.#endRequest();
    const instead = rewriteHead(input, head, {
      hostField: this.#options.hostField ?? hostOfTarget(input, head),
      keepUpgrade: this.#switch !== undefined,
    });
    return instead === undefined ? pass(head.length) : { kind: "pass", count: head.length, instead };
  }

  #chunked(input: Uint8Array, body: ChunkedBody): FrameResult {
    try {
      const count = body.take(input);
      if (body.isDone) this.#endRequest();
      return count > 0 ? pass(count) : { kind: "more", unseen: body.dataLeft };
    } catch (error) {
      if (error instanceof BadChunk) return badRequest(error.message);
      throw error;
    }
  }

  #endRequest(): void {
    this.#state = this.#switch === undefined
      ? { kind: "head", partial: new PartialHead() }
      : { kind: "switch" };
  }
}

/** The decision about the bytes at the front of the input. */
export type FrameResult =
  /** Pass on this number of bytes, or `instead` in their place. */
  | { readonly kind: "pass"; readonly count: number; readonly instead?: Uint8Array }
  /** More input is needed. Up to `unseen` of the bytes to come may be passed on unread. */
  | { readonly kind: "more"; readonly unseen: number }
  /** Wait for the server's response and call {@linkcode RequestFramer.answerSwitch}. */
  | { readonly kind: "switch" }
  /**
   * Prepare for this request, and call `next` again with the same input. The head has only the
   * fields that decide about the route.
   */
  | { readonly kind: "hold"; readonly head: RequestHead }
  | { readonly kind: "refuse"; readonly refusal: HttpRefusal };

/** Options of {@linkcode RequestFramer}. */
export interface FramerOptions {
  /** Returns undefined if the request may pass, `hold` if it may not yet, or else a refusal. */
  readonly admit: (head: RequestHead) => HttpRefusal | "hold" | undefined;
  /** The Host that every request gets. @default Its own */
  readonly hostField?: string | undefined;
  /** Returns the present rules of the listener. @default Those of a shared one */
  readonly rules?: () => HeadRules;
}

/** The kind of request that makes a connection carry something other than HTTP/1. */
export type SwitchKind = "connect" | "upgrade";

type State =
  | { kind: "head"; partial: PartialHead }
  | { kind: "switch" }
  | { kind: "raw" }
  | { kind: "chunked"; body: ChunkedBody }
  | { kind: "body"; left: number };

/** Returns the kind of switch that a request asks for; undefined if it asks for none. */
export function switchOf(head: RequestHead): SwitchKind | undefined {
  if (head.method === "CONNECT") return "connect";
  if (!head.fields.some(({ name }) => name === "upgrade")) return undefined;
  const protocols = valuesOf(head.fields, "upgrade").join(",").split(",").map((name) =>
    name.trim().toLowerCase()
  ).filter(Boolean);
  return protocols.length > 0 && !protocols.includes("h2c") ? "upgrade" : undefined;
}

/** Returns the authority of an absolute-form target, if Host differs from it (RFC 9112 3.2.2). */
function hostOfTarget(input: Uint8Array, head: RequestHead): string | undefined {
  const { authority, fields } = head;
  if (authority === undefined) return undefined;
  const bytes = head.normal ?? input;
  const named = latin1Text(bytes.subarray(authority.start, authority.end));
  return fields.some(({ name, value }) => name === "host" && value === named) ? undefined : named;
}

/**
 * Keeps only what decides about the route, because a head that is held may wait for long, and each
 * field takes a hundred bytes.
 */
function heldHead({ normal: _, ...head }: RequestHead): RequestHead {
  const fields = head.fields.filter(({ name }) => ROUTING_FIELDS.has(name));
  return {
    ...head,
    method: ownText(head.method),
    host: ownText(head.host),
    fields: fields.map((field) => ({ ...field, value: ownText(field.value) })),
  };
}

function pass(count: number): FrameResult {
  return { kind: "pass", count };
}

function badRequest(reason: string, options?: UnreadableOptions): FrameResult {
  return { kind: "refuse", refusal: unreadable(reason, options) };
}
