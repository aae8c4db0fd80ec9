import { latin1Text } from "../../lib/latin1.ts";
import type { Span } from "./chunked_body.ts";
import { isBlankByte, isTokenByte } from "./field_bytes.ts";

/** The parts of a response's head that decide where the response ends. */
export interface ResponseHead {
  readonly status: number;
  readonly body: ResponseBody;
  /** True if the server serves no further request on this connection. */
  readonly closes: boolean;
}

/**
 * The body: a number of bytes, chunks, all bytes until the end, or none because the connection is
 * another protocol's now. `ambiguous` if two parsers could read the length differently.
 */
export type ResponseBody = number | "chunked" | "until_end" | "switched" | "ambiguous";

const PROTOCOL = new TextEncoder().encode("HTTP/1.");
/** The offset behind the status code. */
const STATUS_END = 12;
const FRAMING_NAMES: ReadonlySet<string> = new Set(["content-length", "transfer-encoding", "connection"]);
const FRAMING_LENGTHS: ReadonlySet<number> = new Set([...FRAMING_NAMES].map(({ length }) => length));
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;
/** Statuses whose responses have a body by RFC 9112, but not for every client (Ruby's for one). */
const DOUBTFUL_STATUSES: ReadonlySet<number> = new Set([205, 305]);

/**
 * Parses the head of a response to a request of this kind, with its empty line, by the strict rules
 * of RFC 9112: no folded line, no bare CR, no blank before a colon. Decodes only what frames it,
 * because every response of a connection comes by here. Undefined if it is malformed.
 */
export function parseResponse(bytes: Uint8Array, kind: RequestKind): ResponseHead | undefined {
  const status = statusOf(bytes);
  if (status === undefined) return undefined;
  const fields: FramingFields = { lengths: [], codings: [], options: [] };
  let start = lineEnd(bytes, STATUS_END);
  while (start !== -1 && bytes[start] !== CR) start = takeField(bytes, start, fields);
  if (start === -1 || start + 2 !== bytes.length) return undefined;
  const isHttp10 = bytes[PROTOCOL.length] === 0x30;
  return {
    status,
    body: bodyOf({ ...fields, status, kind, isHttp10 }),
    closes: fields.options.includes("close") || (isHttp10 && !fields.options.includes("keep-alive")),
  };
}

/** Returns true if a response can begin with these bytes. */
export function mayBegin(bytes: Uint8Array): boolean {
  const count = Math.min(bytes.length, PROTOCOL.length);
  for (let at = 0; at < count; at++) if (bytes[at] !== PROTOCOL[at]) return false;
  return true;
}

/**
 * The part of a request that decides where its response ends. `head_upgrade` is a HEAD that asks
 * for another protocol.
 */
export type RequestKind = "head" | "upgrade" | "head_upgrade" | "connect" | "other";

/** Returns true if the connection may carry another protocol after the response. */
export function isSwitch(kind: RequestKind): boolean {
  return kind === "upgrade" || kind === "head_upgrade" || kind === "connect";
}

interface FramingFields {
  readonly lengths: string[];
  readonly codings: string[];
  /** The options of Connection, in lower case. */
  readonly options: string[];
}

/** Returns the status code of `HTTP/1.1 200 OK` or `HTTP/1.1 200`. */
function statusOf(bytes: Uint8Array): number | undefined {
  const minor = bytes[PROTOCOL.length];
  const isVersion = mayBegin(bytes) && (minor === 0x30 || minor === 0x31) && bytes[8] === SPACE;
  const isCode = bytes[9]! > 0x30 && isDigit(bytes[9]!) && isDigit(bytes[10]!) && isDigit(bytes[11]!);
  const isEnd = bytes[STATUS_END] === SPACE || bytes[STATUS_END] === CR;
  if (!isVersion || !isCode || !isEnd) return undefined;
  return 100 * (bytes[9]! - 0x30) + 10 * (bytes[10]! - 0x30) + (bytes[11]! - 0x30);
}

/** Returns the offset behind the CRLF of a line; -1 if it has a NUL, or a CR or LF on its own. */
function lineEnd(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === CR) return bytes[at + 1] === LF ? at + 2 : -1;
    if (byte === LF || byte === 0) return -1;
  }
  return -1;
}

/** Adds a field that frames the response. Returns the offset behind it; -1 if it is malformed. */
function takeField(bytes: Uint8Array, start: number, fields: FramingFields): number {
  let colon = start;
  while (isTokenByte(bytes[colon]!)) colon++;
  const end = colon > start && bytes[colon] === COLON ? lineEnd(bytes, colon + 1) : -1;
  if (end === -1 || !FRAMING_LENGTHS.has(colon - start)) return end;
  const name = textOf(bytes, { start, end: colon }).toLowerCase();
  if (!FRAMING_NAMES.has(name)) return end;
  const value = textOf(bytes, valueIn(bytes, { start: colon + 1, end: end - 2 })).toLowerCase();
  if (name === "connection") fields.options.push(...value.split(/[ \t,]+/));
  else (name === "content-length" ? fields.lengths : fields.codings).push(value);
  return end;
}

/** Leaves spaces and tabs out at both ends; other white space belongs to the value. */
function valueIn(bytes: Uint8Array, { start, end }: Span): Span {
  let from = start;
  let to = end;
  while (from < to && isBlankByte(bytes[from]!)) from++;
  while (to > from && isBlankByte(bytes[to - 1]!)) to--;
  return { start: from, end: to };
}

/** Decodes short texts without the decoder, whose call takes as long as the rest of the head. */
function textOf(bytes: Uint8Array, { start, end }: Span): string {
  if (end - start > 64) return latin1Text(bytes.subarray(start, end));
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Determines the body by RFC 9112 6.3, without its tolerance for ambiguous lengths. */
function bodyOf(
  head: FramingFields & { status: number; kind: RequestKind; isHttp10: boolean },
): ResponseBody {
  const { status, kind, lengths, codings, isHttp10 } = head;
  if (status === 101) return isSwitch(kind) && kind !== "connect" ? "switched" : "ambiguous";
  // A client that reads a body here would take the next response for it.
  const bare = codings.length === 0 && lengths.every((length) => length === "0") ? 0 : "ambiguous";
  if (status < 200) return bare;
  if (kind === "connect" && status < 300) return "switched";
  if (kind === "head" || kind === "head_upgrade") return 0;
  if (status === 304) return codings.length === 0 ? 0 : "ambiguous";
  if (status === 204) return bare;
  if (DOUBTFUL_STATUSES.has(status) && (bare === "ambiguous" || lengths.length === 0)) return "ambiguous";
  if (lengths.length + codings.length > 1) return "ambiguous";
  if (codings.length > 0) return codings[0] === "chunked" && !isHttp10 ? "chunked" : "ambiguous";
  if (lengths.length === 0) return "until_end";
  const length = /^[0-9]+$/.test(lengths[0]!) ? Number(lengths[0]) : NaN;
  return Number.isSafeInteger(length) ? length : "ambiguous";
}
