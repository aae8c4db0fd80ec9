import { latin1Bytes, latin1Text } from "../../lib/latin1.ts";
import { type HeadRules, SHARED_HEAD } from "./head_rules.ts";
import { normalHead } from "./normal_head.ts";
import { BadHead, fail, parseHead, type RequestHead } from "./parse_head.ts";

/** The content of the first bytes of a connection that should be HTTP. */
export type HttpSniff =
  | { readonly kind: "request"; readonly head: RequestHead }
  /** The preface of HTTP/2 without TLS (RFC 9113 3.4). */
  | { readonly kind: "h2" }
  | {
    readonly kind: "error";
    readonly status: 400 | 431;
    readonly reason: string;
    readonly nextStep?: string | undefined;
  };

/** The first bytes of an HTTP/2 client (RFC 9113 3.4). */
export const H2_PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const CR = 0x0d;
const LF = 0x0a;
/** The white space that may come before a request line, and CR (RFC 9112 2.2, 3). */
const WHITE_SPACE: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0b, 0x0c, CR, LF]);

/** The progress in an incomplete head, so that no byte is searched twice while more arrive. */
export class PartialHead {
  /** The number of bytes that have been searched. */
  searched = 0;
  /** The offset of the incomplete line. */
  start = 0;
  /** The number of whole lines from the request line on. */
  lines = 0;
  /** The number of empty lines before the request line. */
  leading = 0;
}

/**
 * Reads a request head from the bytes so far, by the strict rules of RFC 9112: anything that two
 * parsers could read differently is an error. Lenient rules accept the other forms of RFC 9112 2.2,
 * and put the head into normal form. Never reads past the head.
 *
 * @param bytes Begins with the bytes of all calls that had the same `partial`.
 */
export function sniffHttp(bytes: Uint8Array, options: SniffOptions = {}): HttpSniff | "more" {
  const { partial = new PartialHead(), rules = SHARED_HEAD } = options;
  if (bytes.length === 0) return "more";
  const preface = prefaceState(bytes);
  if (preface !== "no") return preface;
  try {
    const found = findEnd(bytes, { partial, rules });
    if (found === undefined) return "more";
    return { kind: "request", head: readHead(bytes.subarray(0, found.length), { ...found, rules }) };
  } catch (error) {
    if (!(error instanceof BadHead)) throw error;
    const { status, message: reason, nextStep } = error;
    return { kind: "error", status, reason, nextStep };
  }
}

/** Options of {@linkcode sniffHttp}. */
export interface SniffOptions {
  /** Holds the progress of earlier calls. @default None */
  readonly partial?: PartialHead;
  /** @default Those of a shared listener */
  readonly rules?: HeadRules;
}

function prefaceState(bytes: Uint8Array): "more" | "no" | { kind: "h2" } {
  const length = Math.min(bytes.length, H2_PREFACE.length);
  for (let index = 0; index < length; index++) if (bytes[index] !== H2_PREFACE[index]) return "no";
  return length === H2_PREFACE.length ? { kind: "h2" } : "more";
}

/**
 * Returns the length of the head, and the number of empty lines before it; undefined if it is
 * incomplete. Only then `partial` changes.
 */
function findEnd(
  bytes: Uint8Array,
  { partial, rules }: Required<SniffOptions>,
): { length: number; leading: number } | undefined {
  const { maxBytes, maxFields, isLenient } = rules;
  const first = bytes[0]!;
  if (first === 0x16) fail("this is TLS, and the endpoint speaks plain HTTP");
  const mayBegin = first > 0x20 && first < 0x7f || first === CR || (isLenient && WHITE_SPACE.has(first));
  if (!mayBegin) fail("this is not HTTP");
  let { start, lines, leading } = partial;
  for (;;) {
    const lf = bytes.indexOf(LF, Math.max(start, partial.searched));
    if (lf >= maxBytes || (lf === -1 && bytes.length >= maxBytes)) throw tooLarge(rules);
    if (lf === -1) {
      Object.assign(partial, { start, lines, leading, searched: bytes.length });
      return undefined;
    }
    const hasCr = lf > start && bytes[lf - 1] === CR;
    if (!hasCr && !isLenient) fail("a line ends without a carriage return");
    const isEmpty = lf - start === (hasCr ? 1 : 0);
    start = lf + 1;
    if (!isEmpty) lines++;
    else if (lines > 0) return { length: start, leading };
    // RFC 9112 2.2 asks a server to ignore at least one empty line before the request line.
    else if (++leading > 1 && !isLenient) fail("the request line is malformed");
    if (lines > maxFields + 1) throw tooManyFields(rules);
  }
}

/** Reads a whole head; with lenient rules in normal form, if it has another one. */
function readHead(
  bytes: Uint8Array,
  { leading, rules }: { leading: number; rules: HeadRules },
): RequestHead {
  const text = latin1Text(bytes);
  const normal = rules.isLenient ? normalHead(text, leading) : text;
  const head = parseHead(normal);
  if (normal === text) return head;
  return { ...head, length: bytes.length, normal: latin1Bytes(normal) };
}

function tooLarge(rules: HeadRules): BadHead {
  const { maxBytes } = rules;
  return tooMuch(`the head is larger than ${maxBytes / 1024} KiB (${maxBytes} bytes)`, rules);
}

function tooManyFields(rules: HeadRules): BadHead {
  return tooMuch(`there are more than ${rules.maxFields} header fields`, rules);
}

function tooMuch(reason: string, rules: HeadRules): BadHead {
  const fewer = "Send fewer or smaller fields, such as cookies";
  const nextStep = rules === SHARED_HEAD
    ? `${fewer}. An endpoint with an address of its own takes more`
    : fewer;
  return new BadHead(reason, { status: 431, nextStep });
}
