import { isGood, isTruncated } from "./exchange.ts";
import { MessageNames } from "./message_names.ts";
import { type Query, TYPE, uint16 } from "./query.ts";
import { rebuildReply } from "./rebuild_reply.ts";
import { type DnsRecord, readRecords } from "./records.ts";
import { makeReply, RCODE, rcodeOf, SOA_RECORD } from "./reply.ts";

/** The types whose records describe the zone or the delegation of their own name only. */
const OF_ZONE: ReadonlySet<number> = new Set([
  ...[TYPE.NS, TYPE.SOA, TYPE.DS, TYPE.RRSIG, TYPE.DNSKEY, TYPE.NSEC3PARAM],
  ...[TYPE.CDS, TYPE.CDNSKEY, TYPE.CSYNC, TYPE.ZONEMD],
]);

/**
 * Makes the reply to a query about one of our names and a type that we do not have (MX, TXT, SRV)
 * from the reply of an upstream DNS server. It has the records of this type only, under the name of
 * the question: a client that stored a CNAME for the name would follow it for the address too, and
 * an NSEC record would tell it that there is no address. Records about another zone, behind a
 * CNAME, are left out: our name is not that zone.
 *
 * Without such records it is NODATA, also after NXDOMAIN: the name exists here. Its SOA is ours,
 * so that a client asks again soon. Undefined if the reply is malformed.
 */
export function answerOwnName(reply: Uint8Array, query: Query): Uint8Array | undefined {
  const { questionEnd, type } = query;
  if (!isGood(reply)) return makeReply(query, { rcode: rcodeOf(reply), recursion: true });
  if (reply.length < questionEnd) return undefined;
  const names = new MessageNames(reply);
  const found = readRecords(reply, { questionEnd, names });
  if (found === undefined) return undefined;
  const answers = found.records.filter(({ section }) => section === "answer");
  const owner = followAliases({ name: found.question, answers, names });
  const records = answers.filter((record) =>
    record.name === owner && (record.type === type || isSignature(reply, { record, type }))
  );
  // A signature belongs to the name that it was made for.
  const kept = owner === found.question
    ? records
    : records.filter((record) => record.type === type && !OF_ZONE.has(type));
  if (kept.length > 0) {
    const edns = found.records.filter((record) => record.type === TYPE.OPT);
    const rebuilt = rebuildReply(reply, { query, records: [...kept, ...edns], ownerIsQuestion: true });
    if (rebuilt !== undefined) rebuilt[3]! &= ~15;
    return rebuilt;
  }
  if (isTruncated(reply)) return makeReply(query, { rcode: RCODE.NOERROR, truncated: true, recursion: true });
  return makeReply(query, { rcode: RCODE.NOERROR, recursion: true, authority: SOA_RECORD });
}

/** Returns the name at the end of the CNAME records that begin at `name`. */
function followAliases(options: AliasOptions): string {
  const { answers, names } = options;
  const targets = new Map(
    answers.filter(({ type }) => type === TYPE.CNAME).map((
      { name, dataStart },
    ) => [name, names.read(dataStart)?.name]),
  );
  let { name } = options;
  // Each record is used once, so that a circle ends.
  for (let target = targets.get(name); target !== undefined; target = targets.get(name)) {
    targets.delete(name);
    name = target;
  }
  return name;
}

/** Returns true for an RRSIG record that covers the type (RFC 4034 3.1.1). */
function isSignature(
  reply: Uint8Array,
  { record, type }: { readonly record: DnsRecord; readonly type: number },
): boolean {
  return record.type === TYPE.RRSIG && record.dataEnd - record.dataStart >= 2 &&
    uint16(reply, record.dataStart) === type;
}

interface AliasOptions {
  readonly name: string;
  readonly answers: readonly DnsRecord[];
  readonly names: MessageNames;
}
