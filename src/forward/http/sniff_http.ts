import {
  BadHead,
  fail,
  type HeadLine,
  MAX_FIELDS,
  MAX_HEAD_BYTES,
  parseHead,
  type RequestHead,
} from "./parse_head.ts";

/** The content of the first bytes of a connection that should be HTTP. */
export type HttpSniff =
  | { readonly kind: "request"; readonly head: RequestHead }
  /** The preface of HTTP/2 without TLS (RFC 9113 3.4). */
  | { readonly kind: "h2" }
  | { readonly kind: "error"; readonly status: 400 | 431; readonly reason: string };

const H2_PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The lines of an incomplete head, so that no byte is searched twice while more bytes arrive. */
export class PartialHead {
  /** The offset behind each line. */
  ends: readonly number[] = [];
  /** The number of bytes that have been searched. */
  searched = 0;
}

/**
 * Reads a request head from the bytes so far, by the strict rules of RFC 9112: anything that two
 * parsers could read differently is an error. Never reads past the head.
 *
 * @param partial Holds the progress of earlier calls, whose bytes `bytes` begins with.
 */
export function sniffHttp(bytes: Uint8Array, partial: PartialHead = new PartialHead()): HttpSniff | "more" {
  if (bytes.length === 0) return "more";
  const preface = prefaceState(bytes);
  if (preface !== "no") return preface;
  try {
    const lines = headLines(bytes, partial);
    if (lines === undefined) return "more";
    return { kind: "request", head: parseHead(lines) };
  } catch (error) {
    if (error instanceof BadHead) return { kind: "error", status: error.status, reason: error.message };
    throw error;
  }
}

function prefaceState(bytes: Uint8Array): "more" | "no" | { kind: "h2" } {
  const length = Math.min(bytes.length, H2_PREFACE.length);
  for (let index = 0; index < length; index++) if (bytes[index] !== H2_PREFACE[index]) return "no";
  return length === H2_PREFACE.length ? { kind: "h2" } : "more";
}

/** Returns the lines of the head, the empty one last; undefined if it is incomplete. */
function headLines(bytes: Uint8Array, partial: PartialHead): HeadLine[] | undefined {
  const first = bytes[0]!;
  if (first === 0x16) fail("this is TLS, and the endpoint speaks plain HTTP");
  if (first !== 0x0d && (first <= 0x20 || first >= 0x7f)) fail("this is not HTTP");
  const ends = [...partial.ends];
  for (let start = ends.at(-1) ?? 0;; start = ends.at(-1)!) {
    const lf = bytes.indexOf(0x0a, Math.max(start, partial.searched));
    if (lf >= MAX_HEAD_BYTES || (lf === -1 && bytes.length >= MAX_HEAD_BYTES)) {
      throw new BadHead(431, `the head is larger than ${MAX_HEAD_BYTES} bytes`);
    }
    if (lf === -1) {
      partial.ends = ends;
      partial.searched = bytes.length;
      return undefined;
    }
    if (lf === 0 || bytes[lf - 1] !== 0x0d) fail("a line ends without a carriage return");
    ends.push(lf + 1);
    // RFC 9112 2.2 allows one empty line before the request line.
    if (lf - start === 1 && start > 2) break;
    if (ends.length > MAX_FIELDS + 3) {
      throw new BadHead(431, `there are more than ${MAX_FIELDS} header fields`);
    }
  }
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, ends.at(-1)));
  return ends.map((end, index) => ({
    text: text.slice(ends[index - 1] ?? 0, end - 2),
    start: ends[index - 1] ?? 0,
    end,
  }));
}
