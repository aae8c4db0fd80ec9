import { CLASS_IN, HEADER_BYTES, type Query, skipName, TYPE, uint16 } from "./query.ts";

/** Response codes (RFC 1035 4.1.1, RFC 6891 9). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

/** The largest UDP message without fragmentation, as in Unbound, Knot and dnsmasq. */
export const MAX_UDP_BYTES = 1232;
/** The largest message for a client without EDNS (RFC 1035 4.2.1). */
const MIN_UDP_BYTES = 512;

const QR = 0x80;
const OPCODE = 0x78;
const AA = 0x04;
const TC = 0x02;
const RD = 0x01;
const RA = 0x80;
const CD = 0x10;

const NO_OPTION = new Uint8Array();

/** The number of the option (RFC 8914 4). */
const EXTENDED_ERROR = 15;

/** Encodes an extended DNS error (RFC 8914) as an EDNS option; the text is ASCII. */
function extendedError(code: number, text: string): Uint8Array {
  const extra = new TextEncoder().encode(text);
  const [size, high, low] = [extra.length + 2, code >> 8, code & 255];
  return new Uint8Array([0, EXTENDED_ERROR, size >> 8, size & 255, high, low, ...extra]);
}

/** "Not Ready". Replies have less than three times the size of their query. */
export const NO_UPSTREAM: Uint8Array = extendedError(14, "no upstream DNS server is known");
/** "No Reachable Authority". */
export const UPSTREAM_SILENT: Uint8Array = extendedError(22, "no upstream DNS server answered");
/** "Other". */
export const UPSTREAM_MALFORMED: Uint8Array = extendedError(0, "upstream DNS reply is malformed");
export const TOO_MANY_QUERIES: Uint8Array = extendedError(0, "too many queries at once");

/** Makes a reply with the unchanged question, at most one record, and EDNS if the query had it. */
export function makeReply(query: Query, parts: ReplyParts): Uint8Array {
  const { rcode, authoritative = false, truncated = false, recursion = false, answer, authority } = parts;
  const { bytes, questionEnd, edns } = query;
  const record = answer ?? authority;
  const recordEnd = questionEnd + (record?.length ?? 0);
  const option = parts.error ?? NO_OPTION;
  const reply = new Uint8Array(recordEnd + (edns === undefined ? 0 : 11 + option.length));
  reply.set(bytes.subarray(0, questionEnd));
  reply[2] = QR | bytes[2]! & (OPCODE | RD) | (authoritative ? AA : 0) | (truncated ? TC : 0);
  reply[3] = (recursion ? RA : 0) | bytes[3]! & CD | rcode & 15;
  reply.set([
    0,
    1,
    0,
    answer === undefined ? 0 : 1,
    0,
    authority === undefined ? 0 : 1,
    0,
    edns === undefined ? 0 : 1,
  ], 4);
  if (record !== undefined) reply.set(record, questionEnd);
  if (edns !== undefined) {
    const { dnssecOk } = edns;
    const size = [MAX_UDP_BYTES >> 8, MAX_UDP_BYTES & 255];
    const flags = [rcode >> 4, 0, dnssecOk ? 0x80 : 0, 0];
    reply.set([0, 0, TYPE.OPT, ...size, ...flags, 0, option.length], recordEnd);
    reply.set(option, recordEnd + 11);
  }
  return reply;
}

/** Makes a reply to a message without a readable question: a header, so never longer than it. */
export function makeHeaderReply(bytes: Uint8Array, rcode: number): Uint8Array {
  const reply = new Uint8Array(HEADER_BYTES);
  reply.set(bytes.subarray(0, 2));
  reply[2] = QR | bytes[2]! & (OPCODE | RD);
  reply[3] = bytes[3]! & CD | rcode;
  return reply;
}

/**
 * Returns a forwarded reply for a UDP client, truncated if it is longer than 512 octets and than
 * what the client announces by EDNS. The length of the query does not matter: some clients have no
 * TCP, and the rate limit bounds what forged queries cause (docs/reliability.md R93).
 *
 * A truncated reply has the first answers, because clients without TCP use those.
 */
export function fitReply(reply: Uint8Array, query: Query): Uint8Array {
  const limit = Math.min(Math.max(query.edns?.payloadSize ?? 0, MIN_UDP_BYTES), MAX_UDP_BYTES);
  if (reply.length <= limit) return reply;
  const empty = makeReply(query, { rcode: rcodeOf(reply), truncated: true, recursion: true });
  const { count, end } = countAnswers(reply, {
    start: query.questionEnd,
    maxEnd: limit - (empty.length - query.questionEnd),
  });
  const answers = reply.subarray(query.questionEnd, end);
  const cut = new Uint8Array(empty.length + answers.length);
  // Names lead back only, so that the first records do not need the others.
  cut.set(empty.subarray(0, query.questionEnd));
  cut.set([count >> 8, count & 255], 6);
  cut.set(answers, query.questionEnd);
  cut.set(empty.subarray(query.questionEnd), query.questionEnd + answers.length);
  return cut;
}

/** Counts the answers of a reply that end before an offset; `end` is behind the last one. */
function countAnswers(
  reply: Uint8Array,
  { start, maxEnd }: { readonly start: number; readonly maxEnd: number },
): { readonly count: number; readonly end: number } {
  let [count, end] = [0, start];
  for (const total = uint16(reply, 6); count < total; count++) {
    const nameEnd = skipName(reply, end);
    if (nameEnd === undefined || nameEnd + 10 > reply.length) break;
    const next = nameEnd + 10 + uint16(reply, nameEnd + 8);
    if (next > maxEnd) break;
    end = next;
  }
  return { count, end };
}

/**
 * The SOA record for NODATA replies (RFC 2308); each of our names is a zone. TTL and MINIMUM are
 * those of an address. Its short names keep replies under three times the size of their query.
 */
export const SOA_RECORD: Uint8Array = new Uint8Array([
  ...[0xc0, 12, 0, TYPE.SOA, 0, CLASS_IN, 0, 0, 0, 5, 0, 23],
  // MNAME is the name of the zone, RNAME the root.
  ...[0xc0, 12, 0],
  // SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM.
  ...[0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 5],
]);

/** The parts of a reply. The record belongs to the name of the question. */
export interface ReplyParts {
  readonly rcode: number;
  /** True if the name is ours. */
  readonly authoritative?: boolean;
  readonly truncated?: boolean;
  /** True if queries for other names can be forwarded. */
  readonly recursion?: boolean;
  readonly answer?: Uint8Array | undefined;
  readonly authority?: Uint8Array | undefined;
  /** The reason of a failure, for clients with EDNS (RFC 8914). */
  readonly error?: Uint8Array;
}

/** Returns the response code of a message. */
export function rcodeOf(message: Uint8Array): number {
  return message[3]! & 15;
}
