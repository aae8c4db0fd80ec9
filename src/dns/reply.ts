import { CLASS_IN, HEADER_BYTES, type Query, TYPE } from "./query.ts";

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

/** The largest UDP message that crosses every network in one piece: what Unbound, Knot and dnsmasq send at most. */
export const MAX_UDP_BYTES = 1232;
/** What a client without EDNS takes (RFC 1035 4.2.1). */
const MIN_UDP_BYTES = 512;

const QR = 0x80;
const OPCODE = 0x78;
const AA = 0x04;
const TC = 0x02;
const RD = 0x01;
const RA = 0x80;
const CD = 0x10;

/** What a reply says. A record stands for the question's own name. */
export interface ReplyParts {
  readonly rcode: number;
  /** Whether it comes from our own names. */
  readonly authoritative?: boolean;
  readonly truncated?: boolean;
  /** Whether this client may ask us for other names too. */
  readonly recursion?: boolean;
  readonly answer?: Uint8Array | undefined;
  readonly authority?: Uint8Array | undefined;
}

/** A reply to a query: its question as it was spelt, one record at most, and EDNS if the query had it. */
export function makeReply(query: Query, parts: ReplyParts): Uint8Array {
  const { rcode, authoritative = false, truncated = false, recursion = false, answer, authority } = parts;
  const { bytes, questionEnd, edns } = query;
  const record = answer ?? authority;
  const recordEnd = questionEnd + (record?.length ?? 0);
  const reply = new Uint8Array(recordEnd + (edns === undefined ? 0 : 11));
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
    reply.set([0, 0, TYPE.OPT, ...size, rcode >> 4, 0, dnssecOk ? 0x80 : 0, 0, 0, 0], recordEnd);
  }
  return reply;
}

/** The reply to what has no question that could be repeated: a header, no longer than what came. */
export function makeHeaderReply(bytes: Uint8Array, rcode: number): Uint8Array {
  const reply = new Uint8Array(HEADER_BYTES);
  reply.set(bytes.subarray(0, 2));
  reply[2] = QR | bytes[2]! & (OPCODE | RD);
  reply[3] = bytes[3]! & CD | rcode;
  return reply;
}

/** A forwarded reply as it fits a UDP client, and `maxBytes`: whole, or without records and marked as truncated. */
export function fitReply(
  reply: Uint8Array,
  options: { readonly query: Query; readonly maxBytes?: number },
): Uint8Array {
  const { query, maxBytes = MAX_UDP_BYTES } = options;
  const { edns } = query;
  const size = Math.max(edns?.payloadSize ?? 0, MIN_UDP_BYTES);
  const limit = Math.min(size, maxBytes, MAX_UDP_BYTES);
  if (reply.length <= limit) return reply;
  return makeReply(query, { rcode: reply[3]! & 15, truncated: true, recursion: true });
}

/**
 * The SOA record that stands beside "no such type" (RFC 2308): every name of ours is a zone of its own. The TTL and MINIMUM are 5 s, as
 * for an address, and its names take no room, so that no reply is three times its query.
 */
export const SOA_RECORD: Uint8Array = new Uint8Array([
  ...[0xc0, 12, 0, TYPE.SOA, 0, CLASS_IN, 0, 0, 0, 5, 0, 23],
  // MNAME is the name itself, RNAME the root.
  ...[0xc0, 12, 0],
  // SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM.
  ...[0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 5],
]);
