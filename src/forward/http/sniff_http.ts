import { normalizeHostname } from "../../lib/hostname.ts";

/** One field line of a head: where it stands, CRLF included. */
export interface HeadField {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  readonly start: number;
  /** Where the value begins. */
  readonly valueStart: number;
  readonly end: number;
}

/** The head of an HTTP/1 request. */
export interface RequestHead {
  /** In bytes, with the empty line. */
  readonly length: number;
  readonly method: string;
  /** Normalised, without port. That of an absolute-form target, else of the Host field (RFC 9112 3.2.2); empty if there is none. */
  readonly host: string;
  readonly port: number | undefined;
  /** Where the authority of an absolute-form target stands. */
  readonly authority: { readonly start: number; readonly end: number } | undefined;
  /** Where the fields begin. */
  readonly fieldsStart: number;
  /** What follows the head: `chunked`, or that many bytes. */
  readonly body: "chunked" | number;
  readonly fields: readonly HeadField[];
}

/** What the first bytes of a request say. */
export type HttpSniff =
  | { readonly kind: "request"; readonly head: RequestHead }
  /** The preface of HTTP/2 without TLS (RFC 9113 3.4). */
  | { readonly kind: "h2" }
  | { readonly kind: "error"; readonly status: 400 | 431; readonly reason: string };

/** Of the whole head (RELIABILITY.md R36). */
export const MAX_HEAD_BYTES = 16_384;
const MAX_FIELDS = 100;
const H2_PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// deno-lint-ignore no-control-regex
const FIELD_VALUE = /^[^\x00-\x08\x0a-\x1f\x7f]*$/;
// deno-lint-ignore no-control-regex
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) HTTP\/1\.([01])$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i;
const AUTHORITY = /^([0-9a-z._~!$&'()*+,;=%-]*|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?$/i;

/**
 * Reads a request head from the bytes so far, by the strict rules of RFC 9112: whatever two readers could understand differently is an
 * error. Never looks past the head.
 */
export function sniffHttp(bytes: Uint8Array): HttpSniff | "more" {
  if (bytes.length === 0) return "more";
  const preface = prefaceState(bytes);
  if (preface !== "no") return preface;
  try {
    const lines = headLines(bytes);
    if (lines === undefined) return "more";
    return { kind: "request", head: parseHead(lines) };
  } catch (error) {
    if (error instanceof BadHead) return { kind: "error", status: error.status, reason: error.message };
    throw error;
  }
}

/**
 * Checks one field line, without its CRLF; gives its (lower-case) name, its value and where that begins, or undefined if it is not one
 * (RFC 9112 5).
 */
export function parseField(line: string): { name: string; value: string; valueStart: number } | undefined {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  const value = trimBlanks(line.slice(colon + 1));
  if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) return undefined;
  return { name: name.toLowerCase(), value, valueStart: line.indexOf(value, colon + 1) };
}

class BadHead extends Error {
  readonly status: 400 | 431;
  constructor(status: 400 | 431, reason: string) {
    super(reason);
    this.status = status;
  }
}

function fail(reason: string): never {
  throw new BadHead(400, reason);
}

function prefaceState(bytes: Uint8Array): "more" | "no" | { kind: "h2" } {
  const length = Math.min(bytes.length, H2_PREFACE.length);
  for (let at = 0; at < length; at++) if (bytes[at] !== H2_PREFACE[at]) return "no";
  return length === H2_PREFACE.length ? { kind: "h2" } : "more";
}

interface HeadLine {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** The lines of the head, the empty one last; undefined if it is not complete. */
function headLines(bytes: Uint8Array): HeadLine[] | undefined {
  const first = bytes[0]!;
  if (first === 0x16) fail("this is TLS, and the endpoint speaks plain HTTP");
  if (first !== 0x0d && (first <= 0x20 || first >= 0x7f)) fail("this is not HTTP");
  const ends: number[] = [];
  let start = 0;
  for (;;) {
    const lf = bytes.indexOf(0x0a, start);
    if (lf >= MAX_HEAD_BYTES || (lf === -1 && bytes.length >= MAX_HEAD_BYTES)) {
      throw new BadHead(431, `the head is larger than ${MAX_HEAD_BYTES} bytes`);
    }
    if (lf === -1) return undefined;
    if (lf === 0 || bytes[lf - 1] !== 0x0d) fail("a line ends without a carriage return");
    ends.push(lf + 1);
    // One empty line before the request line is let pass (RFC 9112 2.2).
    if (lf - start === 1 && start > 2) break;
    if (ends.length > MAX_FIELDS + 3) {
      throw new BadHead(431, `there are more than ${MAX_FIELDS} header fields`);
    }
    start = lf + 1;
  }
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, ends.at(-1)));
  return ends.map((end, index) => ({
    text: text.slice(ends[index - 1] ?? 0, end - 2),
    start: ends[index - 1] ?? 0,
    end,
  }));
}

function parseHead(lines: readonly HeadLine[]): RequestHead {
  const rest = lines[0]!.text === "" ? lines.slice(1) : lines;
  const [, method, target, minor] = REQUEST_LINE.exec(rest[0]!.text) ?? fail("the request line is malformed");
  const fieldLines = rest.slice(1, -1);
  if (fieldLines.length > MAX_FIELDS) {
    throw new BadHead(431, `there are more than ${MAX_FIELDS} header fields`);
  }
  const fields = fieldLines.map((line): HeadField => {
    const field = parseField(line.text) ?? fail("a header field is malformed");
    return { ...field, start: line.start, valueStart: line.start + field.valueStart, end: line.end };
  });
  const { authority, ...asked } = authorityOf(method!, target!, {
    hosts: valuesOf(fields, "host"),
    isHttp10: minor === "0",
  });
  const body = bodyOf(fields, minor === "0");
  if (method === "CONNECT" && body !== 0) fail("a CONNECT request has a body");
  const targetStart = rest[0]!.start + method!.length + 1;
  return {
    length: lines.at(-1)!.end,
    method: method!,
    ...asked,
    authority: authority && { start: targetStart + authority.start, end: targetStart + authority.end },
    fieldsStart: rest[0]!.end,
    body,
    fields,
  };
}

/** The values of all fields with this (lower-case) name. */
export function valuesOf(fields: readonly HeadField[], name: string): string[] {
  return fields.filter((field) => field.name === name).map((field) => field.value);
}

/** RFC 9112 3.2. A CONNECT is for whoever its Host field names: its target is where the endpoint's own proxy shall connect to. */
function authorityOf(
  method: string,
  target: string,
  options: { hosts: readonly string[]; isHttp10: boolean },
): { host: string; port: number | undefined; authority?: { start: number; end: number } } {
  const { hosts, isHttp10 } = options;
  if (hosts.length > 1) fail("there is more than one Host field");
  const [field] = hosts;
  if (field === undefined && !isHttp10) fail("the Host field is missing");
  const own = field === undefined ? undefined : parseAuthority(field);
  if (method === "CONNECT") {
    const tunnel = parseAuthority(target);
    return own ?? tunnel;
  }
  const absolute = ABSOLUTE_FORM.exec(target);
  if (absolute !== null) {
    const named = parseAuthority(absolute[1]!);
    if (named.host === "") fail("the request target has no host");
    const end = absolute[0].length;
    return { ...named, authority: { start: end - absolute[1]!.length, end } };
  }
  if (!target.startsWith("/") && !(target === "*" && method === "OPTIONS")) {
    fail("the request target is malformed");
  }
  return own ?? { host: "", port: undefined };
}

function parseAuthority(text: string): { host: string; port: number | undefined } {
  const [, host, port] = AUTHORITY.exec(text) ?? fail("the host is malformed");
  return { host: normalizeHostname(host!), port: port ? Number(port) : undefined };
}

/** RFC 9112 6.3, without its leniencies: one spelling, one meaning. */
function bodyOf(fields: readonly HeadField[], isHttp10: boolean): "chunked" | number {
  const codings = valuesOf(fields, "transfer-encoding");
  const lengths = valuesOf(fields, "content-length");
  if (codings.length + lengths.length > 1) fail("the length of the body is ambiguous");
  if (codings.length > 0) {
    if (isHttp10 || codings[0]!.toLowerCase() !== "chunked") fail("the transfer coding is not chunked");
    return "chunked";
  }
  if (lengths.length === 0) return 0;
  const length = /^[0-9]+$/.test(lengths[0]!) ? Number(lengths[0]) : NaN;
  return Number.isSafeInteger(length) ? length : fail("the Content-Length is malformed");
}

/** Spaces and tabs only: what else looks blank belongs to the value. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text, start)) start++;
  while (end > start && isBlank(text, end - 1)) end--;
  return text.slice(start, end);
}

function isBlank(text: string, at: number): boolean {
  return text[at] === " " || text[at] === "\t";
}
