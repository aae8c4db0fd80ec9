import { isHostname } from "../lib/hostname.ts";
import { MessageNames } from "./message_names.ts";
import { HEADER_BYTES, type Query, TYPE } from "./query.ts";
import { readTargets, type Targets } from "./record_targets.ts";
import { type DnsRecord, readRecords } from "./records.ts";
import { rebuildReply } from "./rebuild_reply.ts";

/**
 * Removes the records of an upstream reply that would lead a client to this machine or to our
 * endpoints under a foreign name (DNS rebinding), and all records of our names but an SOA, which
 * says how long a name is missing. The response code stays, mostly NOERROR, as in Unbound
 * (`private-address`) and dnsmasq (`stop-dns-rebind`). The question becomes that of the query, with
 * its case.
 *
 * Undefined if the reply is malformed: nobody can say where it leads.
 */
export function filterReply(reply: Uint8Array, options: FilterOptions): FilteredReply | undefined {
  const { query } = options;
  const { questionEnd } = query;
  if (reply.length < questionEnd) return undefined;
  const names = new MessageNames(reply);
  const found = readRecords(reply, { questionEnd, names });
  if (found === undefined) return undefined;
  const rules = remember(options);
  const kept: DnsRecord[] = [];
  const dropped: Drop[] = [];
  for (const record of found.records) {
    const drop = leadsHere(reply, { record, names, rules });
    if (drop === undefined) kept.push(record);
    // Servers add authority and additional records that nobody asked for.
    else if (record.section === "answer") dropped.push(drop);
  }
  if (kept.length < found.records.length) {
    const rebuilt = rebuildReply(reply, { query, records: kept });
    if (rebuilt === undefined) return undefined;
    const first = dropped.find(({ isBlock }) => !isBlock) ?? dropped[0];
    return first === undefined ? { reply: rebuilt } : {
      reply: rebuilt,
      dropped: {
        name: found.question,
        ...first,
        canAllow: first.canAllow === true && isHostname(query.name ?? ""),
      },
    };
  }
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
/** The reason why a record is dropped; undefined if it is not. */
function leadsHere(
  bytes: Uint8Array,
  { record, names, rules }: { record: DnsRecord; names: MessageNames; rules: Rules },
): Drop | undefined {
  const { name, type, section } = record;
  if (type === TYPE.SOA && section === "authority") return undefined;
  if (rules.isOurs(name)) return { reason: `${name} is a name of an endpoint` };
  const found = readTargets(bytes, { record, names });
  if (found === "malformed") return { reason: "a record is malformed" };
  const drop = whereTo(found, { type, rules });
  return drop === undefined || rules.allowsPrivate() ? undefined : { ...drop, canAllow: true };
}

function whereTo(
  { target, addresses }: Targets,
  { type, rules }: { readonly type: number; readonly rules: Rules },
): Drop | undefined {
  if (
    target !== undefined && (rules.isOurs(target) || (type === TYPE.DNAME && rules.hasNamesBelow(target)))
  ) {
    return { reason: `it leads to ${target}, a name of an endpoint` };
  }
  for (const address of addresses) {
    const text = rules.localAddress(address);
    if (text === undefined) continue;
    return { reason: `${text} leads to this machine`, isBlock: address.every((octet) => octet === 0) };
  }
  return undefined;
}

/** The rules of one reply, with the answers that they gave: many records have the same name. */
function remember({ isOurs, allowsPrivate, ...rest }: FilterOptions): Rules {
  const ours = new Map<string, boolean>();
  let allows: boolean | undefined;
  return {
    ...rest,
    isOurs(name) {
      let known = ours.get(name);
      if (known === undefined) ours.set(name, known = isOurs(name));
      return known;
    },
    allowsPrivate: () => allows ??= allowsPrivate(),
  };
}

type Rules = Omit<FilterOptions, "query">;

type Drop = Omit<DroppedRecord, "name">;

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

/** A reply, and the first answer that was dropped from it. */
export interface FilteredReply {
  readonly reply: Uint8Array;
  readonly dropped?: DroppedRecord;
}

/** An answer that was dropped. */
export interface DroppedRecord {
  /** The name of the question, in lower case. */
  readonly name: string;
  readonly reason: string;
  /** True if `dns.allow_private` with this name lets it pass. */
  readonly canAllow?: boolean;
  /** True for `0.0.0.0` and `::`, by which DNS servers block names. */
  readonly isBlock?: boolean;
}
