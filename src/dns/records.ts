import { HEADER_BYTES, uint16 } from "./query.ts";

/** More than any answer that a client can use; it bounds the work for one reply. */
const MAX_RECORDS = 512;
const MAX_NAME_OCTETS = 255;
/** Octet → character of a name in lower case; any octet is allowed in a label. */
const CHARACTERS: readonly string[] = Array.from(
  { length: 256 },
  (_, octet) => String.fromCharCode(octet >= 65 && octet <= 90 ? octet + 32 : octet),
);

/**
 * Reads the records of a reply whose question ends at `questionEnd`; undefined if it is malformed
 * or has more than 512.
 */
export function readRecords(bytes: Uint8Array, questionEnd: number): Records | undefined {
  const counts = [uint16(bytes, 6), uint16(bytes, 8), uint16(bytes, 10)];
  const total = counts[0]! + counts[1]! + counts[2]!;
  if (total > MAX_RECORDS) return undefined;
  const question = readName(bytes, HEADER_BYTES)?.name;
  const records: DnsRecord[] = [];
  let at = questionEnd;
  for (let index = 0; index < total; index++) {
    const name = readName(bytes, at);
    if (name === undefined || name.end + 10 > bytes.length) return undefined;
    const dataStart = name.end + 10;
    const dataEnd = dataStart + uint16(bytes, name.end + 8);
    if (dataEnd > bytes.length) return undefined;
    records.push({
      start: at,
      name: name.name,
      nameEnd: name.end,
      type: uint16(bytes, name.end),
      dataStart,
      dataEnd,
      isAnswer: index < counts[0]!,
    });
    at = dataEnd;
  }
  return { question, records, end: at };
}

/**
 * Reads a name, also a compressed one. Undefined if it is malformed: every pointer must lead back,
 * so that reading ends (RFC 1035 4.1.4).
 */
export function readName(bytes: Uint8Array, start: number): DnsName | undefined {
  let name = "";
  let octets = 1;
  let end: number | undefined;
  let limit = start;
  for (let at = start;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      end ??= at + 2;
      const target = uint16(bytes, at) & 0x3fff;
      if (at + 2 > bytes.length || target >= limit || target < HEADER_BYTES) return undefined;
      at = limit = target;
      continue;
    }
    if (length === 0) return { name, end: end ?? at + 1 };
    octets += length + 1;
    if (length > 63 || at + length >= bytes.length || octets > MAX_NAME_OCTETS) return undefined;
    if (name !== "") name += ".";
    for (const labelEnd = ++at + length; at < labelEnd; at++) name += CHARACTERS[bytes[at]!]!;
  }
}

/** The records of a reply. */
export interface Records {
  /** The name of the question, in lower case. */
  readonly question: string | undefined;
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
  /** True in the answer section. */
  readonly isAnswer: boolean;
}

/** A name in lower case, without the final dot, and the offset behind it. */
export interface DnsName {
  readonly name: string;
  readonly end: number;
}
