import { HEADER_BYTES, type Query, uint16 } from "./query.ts";
import { type DnsRecord, readName, readRecords } from "./records.ts";
import { rebuildReply } from "./rebuild_reply.ts";

const TYPE = { A: 1, CNAME: 5, AAAA: 28, DNAME: 39, SVCB: 64, HTTPS: 65 } as const;
/** The size of an address by record type, and by the key of a parameter of SVCB (RFC 9460 7.3). */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { [TYPE.A]: 4, [TYPE.AAAA]: 16 };
const HINT_BYTES: Readonly<Record<number, number>> = { 4: 4, 6: 16 };

/**
 * Removes the records of an upstream reply that would lead a client to this machine or to our
 * endpoints under a foreign name (DNS rebinding), and all records of our names. What is left is
 * NOERROR, as Unbound (`private-address`) and dnsmasq (`stop-dns-rebind`) reply: the name exists.
 * The question becomes that of the query, with its case.
 *
 * Undefined if the reply is malformed: nobody can say where it leads.
 */
export function filterReply(reply: Uint8Array, options: FilterOptions): FilteredReply | undefined {
  const { query } = options;
  const { questionEnd } = query;
  if (reply.length < questionEnd) return undefined;
  const found = readRecords(reply, questionEnd);
  if (found === undefined) return undefined;
  let dropped: string | undefined;
  const kept = found.records.filter((record) => {
    const reason = leadsHere(reply, { record, options });
    dropped ??= reason;
    return reason === undefined;
  });
  if (dropped !== undefined) return { reply: rebuildReply(reply, { query, records: kept }), dropped };
  const whole = reply.slice(0, found.end);
  const asked = query.bytes.subarray(HEADER_BYTES, questionEnd);
  whole.set(asked, HEADER_BYTES);
  // Servers may write the name again with each record, in the random case of our request.
  const owner = asked.subarray(0, -4);
  for (const { name, start, nameEnd } of found.records) {
    if (nameEnd - start === owner.length && name === found.question) whole.set(owner, start);
  }
  return { reply: whole };
}

/** The reason why a record is removed; undefined if it is not. */
function leadsHere(
  bytes: Uint8Array,
  { record, options }: { record: DnsRecord; options: FilterOptions },
): string | undefined {
  const { isOurs, hasNamesBelow, localAddress, allowsPrivate } = options;
  const { name, type, dataStart, dataEnd } = record;
  if (isOurs(name)) return `${name} is a name of an endpoint`;
  const data = bytes.subarray(dataStart, dataEnd);
  let target: string | undefined;
  let addresses: readonly Uint8Array[] | undefined = [];
  if (type === TYPE.CNAME || type === TYPE.DNAME) target = targetName(bytes, dataStart);
  else if (type === TYPE.A || type === TYPE.AAAA) addresses = split(data, ADDRESS_BYTES[type]!);
  else if (type === TYPE.SVCB || type === TYPE.HTTPS) {
    target = targetName(bytes, dataStart + 2);
    addresses = target === undefined ? undefined : hints(bytes, record);
  } else return undefined;
  if (addresses === undefined || (type !== TYPE.A && type !== TYPE.AAAA && target === undefined)) {
    return "a record is malformed";
  }
  if (allowsPrivate()) return undefined;
  if (target !== undefined && (isOurs(target) || (type === TYPE.DNAME && hasNamesBelow(target)))) {
    return `it leads to ${target}, a name of an endpoint`;
  }
  for (const address of addresses) {
    const text = localAddress(address);
    if (text !== undefined) return `${text} leads to this machine`;
  }
  return undefined;
}

function targetName(bytes: Uint8Array, at: number): string | undefined {
  return readName(bytes, at)?.name;
}

/** Splits data into addresses; undefined if something is left over. */
function split(data: Uint8Array, size: number): Uint8Array[] | undefined {
  if (data.length === 0 || data.length % size !== 0) return undefined;
  return Array.from(
    { length: data.length / size },
    (_, index) => data.subarray(index * size, (index + 1) * size),
  );
}

/** The addresses in the parameters of an SVCB or HTTPS record (RFC 9460 2.2). */
function hints(bytes: Uint8Array, { dataStart, dataEnd }: DnsRecord): Uint8Array[] | undefined {
  const found: Uint8Array[] = [];
  let at = readName(bytes, dataStart + 2)!.end;
  while (at < dataEnd) {
    const end = at + 4 + (at + 4 <= dataEnd ? uint16(bytes, at + 2) : dataEnd);
    if (end > dataEnd) return undefined;
    const size = HINT_BYTES[uint16(bytes, at)];
    const addresses = size === undefined ? [] : split(bytes.subarray(at + 4, end), size);
    if (addresses === undefined) return undefined;
    found.push(...addresses);
    at = end;
  }
  return at === dataEnd ? found : undefined;
}

/** The query, and the rules for its reply. */
export interface FilterOptions {
  readonly query: Query;
  /** Returns true for a name (in lower case) that our own server answers for this client. */
  readonly isOurs: (name: string) => boolean;
  /** Returns true if a name of ours may be below this one. */
  readonly hasNamesBelow: (name: string) => boolean;
  /** The text of an address that leads to this machine or to ngrokd; undefined for others. */
  readonly localAddress: (address: Uint8Array) => string | undefined;
  /** Returns true if the name of the question may lead to such addresses and to our names. */
  readonly allowsPrivate: () => boolean;
}

/** A reply, and the reason for the first record that was removed from it. */
export interface FilteredReply {
  readonly reply: Uint8Array;
  readonly dropped?: string;
}
