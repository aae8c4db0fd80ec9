import { normalizeHostname } from "../../lib/hostname.ts";

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
}

/** The limit of the whole head (docs/reliability.md R36). */
export const MAX_HEAD_BYTES = 16_384;
/** The limit of the fields (docs/reliability.md R36). */
export const MAX_FIELDS = 100;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// deno-lint-ignore no-control-regex
const FIELD_VALUE = /^[^\x00-\x08\x0a-\x1f\x7f]*$/;
// deno-lint-ignore no-control-regex
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) HTTP\/1\.([01])$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i;
const AUTHORITY = /^([0-9a-z._~!$&'()*+,;=%-]*|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?$/i;

/** One line of a head, without its CRLF. */
export interface HeadLine {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Parses the lines of a head, the empty one last.
 *
 * @throws {BadHead} If it is not a request by the strict rules of RFC 9112.
 */
export function parseHead(lines: readonly HeadLine[]): RequestHead {
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
  const { authority, ...named } = authorityOf(method!, target!, {
    hosts: valuesOf(fields, "host"),
    isHttp10: minor === "0",
  });
  const body = bodyOf(fields, minor === "0");
  if (method === "CONNECT" && body !== 0) fail("a CONNECT request has a body");
  const targetStart = rest[0]!.start + method!.length + 1;
  return {
    length: lines.at(-1)!.end,
    method: method!,
    ...named,
    authority: authority && { start: targetStart + authority.start, end: targetStart + authority.end },
    fieldsStart: rest[0]!.end,
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

/** Removes spaces and tabs only; other white space belongs to the value. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text, start)) start++;
  while (end > start && isBlank(text, end - 1)) end--;
  return text.slice(start, end);
}

function isBlank(text: string, index: number): boolean {
  return text[index] === " " || text[index] === "\t";
}

/** Parses one field line without its CRLF (RFC 9112 5); undefined if it is malformed. */
function parseField(line: string): { name: string; value: string; valueStart: number } | undefined {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  const value = trimBlanks(line.slice(colon + 1));
  if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) return undefined;
  return { name: name.toLowerCase(), value, valueStart: line.indexOf(value, colon + 1) };
}

/** The request line or a field is malformed, or the head is too large. */
export class BadHead extends Error {
  readonly status: 400 | 431;

  constructor(status: 400 | 431, reason: string) {
    super(reason);
    this.status = status;
  }
}

/** Throws {@linkcode BadHead} with the status 400. */
export function fail(reason: string): never {
  throw new BadHead(400, reason);
}
