import { CLASS_IN, HEADER_BYTES, type Query, readQuery, TYPE } from "./query.ts";
import { makeHeaderReply, makeReply, RCODE, SOA_RECORD } from "./reply.ts";
import type { Zone } from "./zone.ts";

/** What an answer is made from. */
export interface AnswerOptions {
  readonly zone: Zone;
  /** The A record of the local address that the query came to. */
  readonly here: Uint8Array;
  /** Whether names that are not ours can be asked for elsewhere. */
  readonly recursion: boolean;
}

/**
 * Answers a message: the reply, or the query if another server has to be asked (with bytes of its own), or undefined if nothing must be
 * said (no header, or itself a reply: an answer to it could come back for ever). Pure, and never throws, whatever the bytes.
 *
 * Our own names have an A record and an SOA record, ANY brings one of them (RFC 8482), and every other type is NODATA (RFC 2308). It speaks
 * as RFC 8906 section 8 wants it; no reply has three times the size of its query.
 */
export function answer(bytes: Uint8Array, options: AnswerOptions): Uint8Array | Query | undefined {
  if (bytes.length < HEADER_BYTES || (bytes[2]! & 0x80) !== 0) return undefined;
  if ((bytes[2]! & 0x78) !== 0) return makeHeaderReply(bytes, RCODE.NOTIMP);
  const query = readQuery(bytes);
  if (query === undefined) return makeHeaderReply(bytes, RCODE.FORMERR);
  return answerQuery(query, options);
}

function answerQuery(query: Query, options: AnswerOptions): Uint8Array | Query {
  const { zone, here, recursion } = options;
  const { name, type, edns } = query;
  if (edns !== undefined && edns.version > 0) return makeReply(query, { rcode: RCODE.BADVERS });
  if (query.class !== CLASS_IN || isTransferOrMeta(type)) {
    return makeReply(query, { rcode: RCODE.REFUSED, recursion });
  }
  const address = name === undefined ? undefined : zone.find(name, here);
  if (address !== undefined) {
    const rcode = RCODE.NOERROR;
    if (type === TYPE.A || type === TYPE.ANY) {
      return makeReply(query, { rcode, authoritative: true, recursion, answer: address });
    }
    const place = type === TYPE.SOA ? "answer" : "authority";
    return makeReply(query, { rcode, authoritative: true, recursion, [place]: SOA_RECORD });
  }
  // ANY for other names is of use to those only who want a large reply (RFC 8482).
  if (!recursion || type === TYPE.ANY) return makeReply(query, { rcode: RCODE.REFUSED, recursion });
  return { ...query, bytes: query.bytes.slice(0, query.questionEnd) };
}

/** Types that stand for no record that could be asked for: zone transfers, EDNS, keys and signatures of a transaction. */
function isTransferOrMeta(type: number): boolean {
  return type === 0 || type === TYPE.OPT || (type >= 249 && type <= 254);
}
