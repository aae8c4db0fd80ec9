import { CLASS_IN, HEADER_BYTES, type Query, readQuery, TYPE } from "./query.ts";
import { makeHeaderReply, makeReply, NO_UPSTREAM, RCODE, SOA_RECORD } from "./reply.ts";
import { NO_RECORD, type Zone } from "./zone.ts";

/**
 * Returns the reply to a message, or the query (with a copy of its bytes) if an upstream DNS server
 * must be queried. Undefined if there must be no reply: the message has no header, or is itself a
 * reply, so that two servers could answer each other for ever. Never throws.
 *
 * Our names have an A record, which ANY returns (RFC 8482); what else could lead to an address is
 * NODATA (RFC 2308). A name that must not resolve has no A record. Other types, MX for example, are
 * queries for an upstream DNS server; without one they are NODATA, and SOA is our own. The replies
 * follow RFC 8906 8. None has three times the size of its query.
 */
export function replyTo(bytes: Uint8Array, options: ReplyOptions): Uint8Array | Query | undefined {
  if (bytes.length < HEADER_BYTES || (bytes[2]! & 0x80) !== 0) return undefined;
  if ((bytes[2]! & 0x78) !== 0) return makeHeaderReply(bytes, RCODE.NOTIMP);
  const query = readQuery(bytes);
  if (query === undefined) return makeHeaderReply(bytes, RCODE.FORMERR);
  return replyToQuery(query, options);
}

/** The sources of a reply. */
export interface ReplyOptions {
  readonly zone: Zone;
  /** The A record of the local address that received the query. */
  readonly localRecord: Uint8Array;
  /** True if queries for other names can be forwarded. */
  readonly recursion: boolean;
}

function replyToQuery(query: Query, options: ReplyOptions): Uint8Array | Query {
  const { zone, localRecord, recursion } = options;
  const { name, type, edns } = query;
  if (edns !== undefined && edns.version > 0) return makeReply(query, { rcode: RCODE.BADVERS });
  if (query.class !== CLASS_IN || isTransferOrMeta(type)) {
    return makeReply(query, { rcode: RCODE.REFUSED, recursion });
  }
  const address = name === undefined ? undefined : zone.find(name, localRecord);
  if (address !== undefined) {
    const rcode = RCODE.NOERROR;
    if (address !== NO_RECORD && (type === TYPE.A || type === TYPE.ANY)) {
      return makeReply(query, { rcode, authoritative: true, recursion, answer: address });
    }
    if (!recursion || OWN_TYPES.includes(type)) {
      const section = type === TYPE.SOA ? "answer" : "authority";
      return makeReply(query, { rcode, authoritative: true, recursion, [section]: SOA_RECORD });
    }
    return forwardable(query);
  }
  // ANY for other names helps only those who want a large reply (RFC 8482).
  if (type === TYPE.ANY) return makeReply(query, { rcode: RCODE.REFUSED, recursion });
  // After SERVFAIL a client asks its next server, if it has one.
  if (!recursion) return makeReply(query, { rcode: RCODE.SERVFAIL, error: NO_UPSTREAM });
  return forwardable(query);
}

function forwardable(query: Query): Query {
  return { ...query, bytes: query.bytes.slice(0, query.questionEnd) };
}

/**
 * The types of our names that no other server answers: those that lead to an address. A CNAME would
 * lead elsewhere, and NSEC says which types there are.
 */
const OWN_TYPES: readonly number[] = [
  ...[TYPE.A, TYPE.AAAA, TYPE.HTTPS, TYPE.SVCB, TYPE.CNAME, TYPE.DNAME],
  ...[TYPE.NSEC, TYPE.ANY],
];

/** Returns true for types without records: transfers, EDNS, transaction keys and signatures. */
function isTransferOrMeta(type: number): boolean {
  return type === 0 || type === TYPE.OPT || (type >= 249 && type <= 254);
}
