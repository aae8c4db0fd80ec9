import { normalizeHostname } from "../../lib/hostname.ts";
import { isBlankByte, isFieldByte, isTokenByte } from "./field_bytes.ts";
import type { UnreadableOptions } from "./refuse.ts";

/** One field line of a head. Offsets are in bytes from its start. */
export interface HeadField {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  readonly start: number;
  readonly valueStart: number;
  /** The offset after the CRLF. */
  readonly end: number;
}

/** The head of an HTTP/1 request. */
export interface RequestHead {
  /** The length in bytes, with the empty line. */
  readonly length: number;
  readonly method: string;
  readonly isHttp10: boolean;
  /**
   * Normalised, without port, from an absolute-form target or else the Host field (RFC 9112 3.2.2).
   * Empty if there is none.
   */
  readonly host: string;
  readonly port: number | undefined;
  /** The offsets of the authority in an absolute-form target. */
  readonly authority: { readonly start: number; readonly end: number } | undefined;
  /** The offset of the first field. */
  readonly fieldsStart: number;
  /** The length of the body: `chunked`, or a number of bytes. */
  readonly body: "chunked" | number;
  readonly fields: readonly HeadField[];
  /**
   * The head in the form that every server reads in the same way, if the client sent another one.
   * All offsets are those of this form; `length` is that of the client's.
   */
  readonly normal?: Uint8Array;
}

const CR = 0x0d;
const LF = 0x0a;
// deno-lint-ignore no-control-regex
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) HTTP\/1\.([01])$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i;
const AUTHORITY = /^([0-9a-z._~!$&'()*+,;=%-]*|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?$/i;

/**
 * Parses a head whose lines all end in CRLF, the empty one last. One empty line may come first.
 *
 * @throws {BadHead} If it is not a request by the strict rules of RFC 9112.
 */
export function parseHead(text: string): RequestHead {
  const start = text.startsWith("\r\n") ? 2 : 0;
  const fieldsStart = text.indexOf("\r\n", start) + 2;
  const [, method, target, minor] = REQUEST_LINE.exec(text.slice(start, fieldsStart - 2)) ??
    fail("the request line is malformed");
  const fields = parseFields(text, fieldsStart);
  const isHttp10 = minor === "0";
  const { authority, ...named } = authorityOf(method!, target!, {
    hosts: valuesOf(fields, "host"),
    isHttp10,
  });
  const body = bodyOf(fields, isHttp10);
  if (method === "CONNECT" && body !== 0) fail("a CONNECT request has a body");
  const targetStart = start + method!.length + 1;
  return {
    length: text.length,
    method: method!,
    isHttp10,
    ...named,
    authority: authority && { start: targetStart + authority.start, end: targetStart + authority.end },
    fieldsStart,
    body,
    fields,
  };
}

/** Returns the values of all fields with this (lower-case) name. */
export function valuesOf(fields: readonly HeadField[], name: string): string[] {
  return fields.filter((field) => field.name === name).map((field) => field.value);
}

/**
 * Reads the host that a request is for (RFC 9112 3.2). A CONNECT goes to the host of its Host
 * field; its target is for the endpoint's own proxy.
 */
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
    const inTarget = parseAuthority(absolute[1]!);
    if (inTarget.host === "") fail("the request target has no host");
    const end = absolute[0].length;
    return { ...inTarget, authority: { start: end - absolute[1]!.length, end } };
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

/** Determines the length by RFC 9112 6.3, without its tolerance for ambiguous lengths. */
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

/** Parses the field lines up to the empty one (RFC 9112 5). Looks at each character twice. */
function parseFields(text: string, fieldsStart: number): HeadField[] {
  const fields: HeadField[] = [];
  for (let start = fieldsStart; text.charCodeAt(start) !== CR;) {
    let colon = start;
    while (isTokenByte(text.charCodeAt(colon))) colon++;
    let end = colon + 1;
    while (isFieldByte(text.charCodeAt(end))) end++;
    const isField = colon > start && text[colon] === ":" && text.charCodeAt(end) === CR &&
      text.charCodeAt(end + 1) === LF;
    if (!isField) fail("a header field is malformed");
    fields.push(fieldOf(text, { start, colon, end }));
    start = end + 2;
  }
  return fields;
}

/** Removes spaces and tabs around the value; other white space belongs to it. */
function fieldOf(text: string, at: { start: number; colon: number; end: number }): HeadField {
  const { start, colon, end } = at;
  let valueStart = colon + 1;
  let valueEnd = end;
  while (valueStart < valueEnd && isBlankByte(text.charCodeAt(valueStart))) valueStart++;
  while (valueEnd > valueStart && isBlankByte(text.charCodeAt(valueEnd - 1))) valueEnd--;
  return {
    name: text.slice(start, colon).toLowerCase(),
    value: text.slice(valueStart, valueEnd),
    start,
    // An empty value begins behind the colon.
    valueStart: valueStart === valueEnd ? colon + 1 : valueStart,
    end: end + 2,
  };
}

/** The request line or a field is malformed, or the head is too large. */
export class BadHead extends Error {
  readonly status: 400 | 431;
  readonly nextStep: string | undefined;

  constructor(reason: string, options: Pick<UnreadableOptions, "nextStep"> & { status?: 431 } = {}) {
    super(reason);
    this.status = options.status ?? 400;
    this.nextStep = options.nextStep;
  }
}

/** Throws {@linkcode BadHead} with the status 400. */
export function fail(reason: string): never {
  throw new BadHead(reason);
}
