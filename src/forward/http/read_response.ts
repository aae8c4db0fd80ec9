import { BadChunk, ChunkedBody } from "./chunked_body.ts";
import { isSwitch, mayBegin, parseResponse, type RequestKind } from "./parse_response.ts";

/** The limit of a response's head; nobody looks for the end of a response with a larger one. */
export const MAX_RESPONSE_HEAD_BYTES = 65_536;
/** The runs of requests of one kind that may be without a response. */
const MAX_RUNS = 256;
const FIRST_HEAD_BYTES = 1024;
const CR = 0x0d;
const LF = 0x0a;

/**
 * Finds the end of each response on a connection by the strict rules of RFC 9112, and changes none.
 * A response that two parsers could read differently has no known end. It is the last one of its
 * connection, so that no client takes the response of one endpoint for a part of another's.
 */
export class ResponseReader {
  /** The requests without a whole response, the oldest first. */
  readonly #runs: { readonly kind: RequestKind; count: number }[] = [];
  #state: State = { kind: "head" };
  /** The incomplete head, or the incomplete line of a chunked body. */
  #head = new Uint8Array(FIRST_HEAD_BYTES);
  #headLength = 0;
  #isFinal = false;
  #isUnclear = false;
  #hasSwitched: boolean | undefined;

  /** True if every request has got its whole response. */
  get isIdle(): boolean {
    return this.#runs.length === 0;
  }

  /** True if no other server's response may follow the one under way, or that has just ended. */
  get isFinal(): boolean {
    return this.#isFinal;
  }

  /** True if a client may think that the response under way, or a part of it, has ended before. */
  get isUnclear(): boolean {
    return this.#isUnclear;
  }

  /** True if all bytes until the end of the connection are taken for the response under way. */
  get isEndless(): boolean {
    return this.#state.kind === "rest";
  }

  /** True if a byte of the response that comes next has come. */
  get hasBegun(): boolean {
    return this.#headLength > 0 || this.#state.kind !== "head";
  }

  /** The number of requests without a whole response. */
  get due(): number {
    return this.#runs.reduce((sum, { count }) => sum + count, 0);
  }

  /** The answer to the last request to switch protocols; undefined until it has come. */
  get hasSwitched(): boolean | undefined {
    return this.#hasSwitched;
  }

  /** Returns true if a request of this kind may be sent before the earlier ones are answered. */
  mayExpect(kind: RequestKind): boolean {
    return this.#runs.length < MAX_RUNS || this.#runs.at(-1)!.kind === kind;
  }

  /** Notes that a request is sent. */
  expect(kind: RequestKind): void {
    const last = this.#runs.at(-1);
    if (last?.kind === kind) last.count++;
    else this.#runs.push({ kind, count: 1 });
    if (isSwitch(kind)) this.#hasSwitched = undefined;
  }

  /** Takes the next bytes of the server. Returns the number of those that answer requests. */
  take(bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.length && this.#runs.length > 0) {
      taken += this.#step(taken === 0 ? bytes : bytes.subarray(taken));
    }
    return taken;
  }

  /** Notes that the server sends no more. */
  end(): void {
    this.#hasSwitched ??= false;
  }

  /** Returns the number of bytes that it took, at least 1. */
  #step(bytes: Uint8Array): number {
    const state = this.#state;
    switch (state.kind) {
      case "head":
        return this.#takeHead(bytes);
      case "body": {
        const count = Math.min(bytes.length, state.left);
        state.left -= count;
        if (state.left === 0) this.#endResponse();
        return count;
      }
      case "chunked":
        return this.#takeChunks(bytes, state.body);
      case "rest":
        return bytes.length;
    }
  }

  /** Looks at each byte once, however few of them come at a time. */
  #takeHead(bytes: Uint8Array): number {
    const end = this.#headEnd(bytes);
    const count = end === "more" ? bytes.length : end;
    if (count === "bad" || this.#headLength + count > MAX_RESPONSE_HEAD_BYTES) return this.#passRest(bytes);
    const part = count === bytes.length ? bytes : bytes.subarray(0, count);
    if (end !== "more" && this.#headLength === 0) this.#endHead(part);
    else {
      this.#hold(part);
      if (end !== "more") this.#endHead(this.#held);
      else if (!mayBegin(this.#held)) return this.#passRest(bytes);
    }
    return count;
  }

  get #held(): Uint8Array {
    return this.#head.subarray(0, this.#headLength);
  }

  /** Returns the offset behind the empty line; `bad` if a line ends without a carriage return. */
  #headEnd(bytes: Uint8Array): number | "more" | "bad" {
    for (let lf = bytes.indexOf(LF); lf !== -1; lf = bytes.indexOf(LF, lf + 1)) {
      if (this.#byteAt(bytes, lf - 1) !== CR) return "bad";
      if (this.#byteAt(bytes, lf - 2) === LF) return lf + 1;
    }
    return "more";
  }

  /** Returns a byte of the new ones, or with a negative offset of those that are held. */
  #byteAt(bytes: Uint8Array, offset: number): number | undefined {
    return offset >= 0 ? bytes[offset] : this.#head[this.#headLength + offset];
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#headLength + bytes.length;
    if (length > this.#head.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#head.length));
      larger.set(this.#head.subarray(0, this.#headLength));
      this.#head = larger;
    }
    this.#head.set(bytes, this.#headLength);
    this.#headLength = length;
  }

  #dropHeld(): void {
    this.#headLength = 0;
    if (this.#head.length > FIRST_HEAD_BYTES) this.#head = new Uint8Array(FIRST_HEAD_BYTES);
  }

  #endHead(bytes: Uint8Array): void {
    const { kind } = this.#runs[0]!;
    const head = parseResponse(bytes, kind);
    this.#dropHeld();
    if (head === undefined || head.body === "ambiguous") return this.#beginUnclear();
    const { status, body } = head;
    if (status < 200 && body === 0) {
      // Some clients take any interim response but 100 for the answer (Python's http.client).
      if (status !== 100) this.#isFinal = this.#isUnclear = true;
      return;
    }
    if (isSwitch(kind)) this.#hasSwitched = body === "switched";
    if (head.closes) this.#isFinal = true;
    if (body === "switched" || body === "until_end") return this.#beginRest();
    if (body === "chunked") this.#state = { kind: "chunked", body: new ChunkedBody() };
    else if (body > 0) this.#state = { kind: "body", left: body };
    else this.#endResponse();
  }

  #takeChunks(bytes: Uint8Array, body: ChunkedBody): number {
    try {
      const count = this.#headLength > 0 ? this.#takeLine(bytes, body) : body.take(bytes);
      if (count === 0) {
        this.#hold(bytes);
        return bytes.length;
      }
      if (body.isDone) this.#endResponse();
      return count;
    } catch (error) {
      if (error instanceof BadChunk) return this.#passRest(bytes);
      throw error;
    }
  }

  /** Adds bytes to the line that is held. The limits of the body's lines bound it. */
  #takeLine(bytes: Uint8Array, body: ChunkedBody): number {
    const end = bytes.indexOf(LF) + 1;
    const part = end === 0 ? bytes : bytes.subarray(0, end);
    this.#hold(part);
    if (body.take(this.#held) > 0) this.#dropHeld();
    return part.length;
  }

  #endResponse(): void {
    this.#state = { kind: "head" };
    const first = this.#runs[0]!;
    if (--first.count === 0) this.#runs.shift();
  }

  #passRest(bytes: Uint8Array): number {
    this.#beginUnclear();
    return bytes.length;
  }

  #beginUnclear(): void {
    this.#isUnclear = true;
    this.#beginRest();
  }

  #beginRest(): void {
    this.#state = { kind: "rest" };
    this.#isFinal = true;
    this.#hasSwitched ??= false;
  }
}

type State =
  | { kind: "head" }
  | { kind: "body"; left: number }
  | { kind: "chunked"; body: ChunkedBody }
  /** All bytes until the end of the connection. */
  | { kind: "rest" };
