import type { MessageNames } from "./message_names.ts";
import { HEADER_BYTES, TYPE, uint16 } from "./query.ts";

/** More than any answer that a client can use; it bounds the work for one reply. */
const MAX_RECORDS = 512;
/** The same for the data of SVCB and HTTPS records, which may have thousands of addresses. */
const MAX_SERVICE_OCTETS = 16_384;
const SERVICE_TYPES: readonly number[] = [TYPE.SVCB, TYPE.HTTPS];

/**
 * Reads the records of a reply whose question ends at `questionEnd`; undefined if it is malformed
 * or has too many.
 */
export function readRecords(bytes: Uint8Array, options: ReadOptions): Records | undefined {
  const { questionEnd, names } = options;
  const [answers, authorities, additionals] = [uint16(bytes, 6), uint16(bytes, 8), uint16(bytes, 10)];
  const total = answers + authorities + additionals;
  if (total > MAX_RECORDS) return undefined;
  const question = names.read(HEADER_BYTES)?.name;
  if (question === undefined) return undefined;
  const records: DnsRecord[] = [];
  let at = questionEnd;
  let serviceOctets = 0;
  for (let index = 0; index < total; index++) {
    const name = names.read(at);
    if (name === undefined || name.end + 10 > bytes.length) return undefined;
    const dataStart = name.end + 10;
    const dataEnd = dataStart + uint16(bytes, name.end + 8);
    if (dataEnd > bytes.length) return undefined;
    const type = uint16(bytes, name.end);
    if (SERVICE_TYPES.includes(type)) serviceOctets += dataEnd - dataStart;
    if (serviceOctets > MAX_SERVICE_OCTETS) return undefined;
    const section = index < answers ? "answer" : index < answers + authorities ? "authority" : "additional";
    records.push({
      start: at,
      name: name.name,
      nameEnd: name.end,
      type,
      dataStart,
      dataEnd,
      section,
    });
    at = dataEnd;
  }
  return { question, records, end: at };
}

/** The records of a reply. */
export interface Records {
  /** The name of the question, in lower case. */
  readonly question: string;
  readonly records: readonly DnsRecord[];
  /** The offset behind the last one. */
  readonly end: number;
}

/** A record in a message, by offsets. */
export interface DnsRecord {
  readonly start: number;
  /** The name that it belongs to, in lower case. */
  readonly name: string;
  readonly nameEnd: number;
  readonly type: number;
  readonly dataStart: number;
  readonly dataEnd: number;
  readonly section: "answer" | "authority" | "additional";
}

interface ReadOptions {
  readonly questionEnd: number;
  readonly names: MessageNames;
}
