import { isBlankByte, isFieldByte, isTokenByte } from "./field_bytes.ts";

/** The limit of a line with a chunk size and its extensions. */
const MAX_SIZE_LINE_BYTES = 1024;
/** The limit of all trailers together. */
const MAX_TRAILER_BYTES = 16_384;
/** Chunk sizes below 2^52, which a number holds exactly. */
const MAX_SIZE_DIGITS = 13;
/** Fields that route or delimit a request must be in its head (RFC 9110 6.5.1). */
const NO_TRAILERS: ReadonlySet<string> = new Set(["host", "content-length", "transfer-encoding"]);
const NO_TRAILER_LENGTHS: ReadonlySet<number> = new Set([...NO_TRAILERS].map(({ length }) => length));
const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const COLON = 0x3a;

/**
 * Finds the end of a chunked body by the strict rules of RFC 9112 7.1. Looks at each byte once,
 * without a copy: a body of chunks of one byte costs little more than one of large chunks. Its
 * limits are the same on all listeners (docs/reliability.md R86).
 */
export class ChunkedBody {
  #next: LineKind | "data" | "done" = "size";
  #dataLeft = 0;
  #trailerBytes = 0;
  /** The number of bytes of the next line that have been searched for its end. */
  #searched = 0;

  /** True if the last byte of the body has been taken. */
  get isDone(): boolean {
    return this.#next === "done";
  }

  /** The number of bytes of chunk data that come next. */
  get dataLeft(): number {
    return this.#next === "data" ? this.#dataLeft : 0;
  }

  /** True if trailers, or the empty line behind them, come next. */
  get inTrailers(): boolean {
    return this.#next === "trailer";
  }

  /**
   * Takes as many bytes of the body from the front of the input as there are in whole lines and
   * data. Returns their number, which is 0 if more input is needed.
   *
   * @param input Begins with the bytes that the last call did not take.
   * @throws {BadChunk} If the next line is malformed. All lines before it have been taken.
   */
  take(input: Uint8Array): number {
    let taken = 0;
    while (this.#next !== "done" && taken < input.length) {
      const step = this.#next === "data"
        ? this.takeData(input.length - taken)
        : this.#takeLine(input, { start: taken, kind: this.#next, isFirst: taken === 0 });
      if (step === 0) break;
      taken += step;
    }
    return taken;
  }

  /** Takes up to `count` bytes of chunk data that nobody needs to look at; returns their number. */
  takeData(count: number): number {
    const step = Math.min(count, this.dataLeft);
    this.#dataLeft -= step;
    if (this.#next === "data" && this.#dataLeft === 0) this.#next = "data_end";
    return step;
  }

  /** Returns the length of the line; 0 if it is incomplete, or malformed behind other lines. */
  #takeLine(input: Uint8Array, line: { start: number; kind: LineKind; isFirst: boolean }): number {
    const { start, kind, isFirst } = line;
    const limit = this.#lineLimit(kind);
    const end = Math.min(input.length, start + limit);
    let lf = start + this.#searched;
    while (lf < end && input[lf] !== LF) lf++;
    this.#searched = lf - start;
    try {
      if (lf === end) {
        if (end - start === limit) fail(this.#tooLong(kind));
        return 0;
      }
      if (lf === start || input[lf - 1] !== CR) fail("a line ends without a carriage return");
      this.#read(kind, input, { start, end: lf - 1 });
    } catch (error) {
      // The caller first passes on what came before.
      if (error instanceof BadChunk && !isFirst) return 0;
      throw error;
    }
    this.#searched = 0;
    return lf + 1 - start;
  }

  #lineLimit(kind: LineKind): number {
    if (kind === "data_end") return 2;
    return kind === "size" ? MAX_SIZE_LINE_BYTES : MAX_TRAILER_BYTES - this.#trailerBytes;
  }

  #tooLong(kind: LineKind): string {
    if (kind === "data_end") return "a chunk is longer than its size";
    return kind === "size"
      ? `the line of a chunk size is longer than ${MAX_SIZE_LINE_BYTES} bytes`
      : `the trailers are larger than ${MAX_TRAILER_BYTES / 1024} KiB`;
  }

  /** Reads a line without its CRLF. */
  #read(kind: LineKind, input: Uint8Array, { start, end }: Span): void {
    if (kind === "data_end") this.#next = "size";
    else if (kind === "size") {
      this.#dataLeft = chunkSize(input, { start, end });
      this.#next = this.#dataLeft === 0 ? "trailer" : "data";
    } else {
      if (start === end) this.#next = "done";
      else checkTrailer(input, { start, end });
      this.#trailerBytes += end + 2 - start;
    }
  }
}

/** The body is not what RFC 9112 7.1 allows. */
export class BadChunk extends Error {}

/** `size` is a chunk-size line, `data_end` the CRLF behind the data of a chunk. */
type LineKind = "size" | "data_end" | "trailer";

/** A part of the input, by its offsets. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

function fail(reason: string): never {
  throw new BadChunk(reason);
}

/** Reads hexadecimal digits, and spaces or tabs before an extension, if there is one. */
function chunkSize(input: Uint8Array, { start, end }: Span): number {
  let at = start;
  let size = 0;
  for (; at < end; at++) {
    const digit = hexDigit(input[at]!);
    if (digit === -1) break;
    size = size * 16 + digit;
  }
  if (at === start || at - start > MAX_SIZE_DIGITS) fail("a chunk size is malformed");
  if (at === end) return size;
  while (at < end && isBlankByte(input[at]!)) at++;
  if (input[at] !== SEMICOLON) fail("a chunk size is malformed");
  for (at++; at < end; at++) {
    if (!isFieldByte(input[at]!)) fail("a chunk size is malformed");
  }
  return size;
}

/** Checks a field line (RFC 9112 5). Decodes only a name that can be a forbidden one. */
function checkTrailer(input: Uint8Array, { start, end }: Span): void {
  let colon = start;
  while (colon < end && isTokenByte(input[colon]!)) colon++;
  if (colon === start || colon === end || input[colon] !== COLON) fail("a trailer field is malformed");
  for (let at = colon + 1; at < end; at++) {
    if (!isFieldByte(input[at]!)) fail("a trailer field is malformed");
  }
  if (!NO_TRAILER_LENGTHS.has(colon - start)) return;
  const name = String.fromCharCode(...input.subarray(start, colon)).toLowerCase();
  if (NO_TRAILERS.has(name)) fail(`${name} is in the trailers`);
}

/** Returns the value of a hexadecimal digit; -1 for any other byte. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
