/**
 * The record types that this server knows (RFC 1035 3.2.2, RFC 4034, RFC 5155, RFC 6672, RFC 6891,
 * RFC 7344, RFC 7477, RFC 8976, RFC 9460).
 */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  AAAA: 28,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3PARAM: 51,
  CDS: 59,
  CDNSKEY: 60,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** The class of the internet. */
export const CLASS_IN = 1;

/** The size of a message header. */
export const HEADER_BYTES = 12;

/** Octet → character of a host name in lower case. */
const HOST_CHARACTERS: readonly (string | undefined)[] = Array.from({ length: 256 }, (_, octet) => {
  const character = String.fromCharCode(octet);
  return /^[A-Za-z0-9_-]$/.test(character) ? character.toLowerCase() : undefined;
});

/** Reads a message with exactly one question; undefined if it is malformed. */
export function readQuery(bytes: Uint8Array): Query | undefined {
  // Several questions have no meaning (RFC 9619); a message without one only asks for cookies.
  if (bytes.length < HEADER_BYTES || uint16(bytes, 4) !== 1) return undefined;
  let name: string | undefined = "";
  let at = HEADER_BYTES;
  for (let length = bytes[at++]; length !== 0; length = bytes[at++]) {
    // In the first name a pointer has no target; other kinds of label are not used (RFC 6891 5).
    if (length === undefined || length > 63 || at + length > bytes.length) return undefined;
    if (name !== undefined && name !== "") name += ".";
    for (const end: number = at + length; at < end; at++) {
      const character: string | undefined = HOST_CHARACTERS[bytes[at]!];
      if (name !== undefined) name = character === undefined ? undefined : name + character;
    }
  }
  const questionEnd = at + 4;
  if (at - HEADER_BYTES > 255 || questionEnd > bytes.length) return undefined;
  const edns = readEdns(bytes, questionEnd);
  if (edns === "malformed") return undefined;
  return { bytes, name, type: uint16(bytes, at), class: uint16(bytes, at + 2), questionEnd, edns };
}

/** Checks that all records are complete, with at most one, additional OPT (RFC 6891 6.1.1). */
function readEdns(bytes: Uint8Array, start: number): Edns | undefined | "malformed" {
  const beforeAdditional = uint16(bytes, 6) + uint16(bytes, 8);
  const count = beforeAdditional + uint16(bytes, 10);
  let edns: Edns | undefined;
  let at: number | undefined = start;
  for (let index = 0; index < count; index++) {
    const nameStart: number = at;
    at = skipName(bytes, nameStart);
    if (at === undefined || at + 10 > bytes.length) return "malformed";
    if (uint16(bytes, at) === TYPE.OPT) {
      if (edns !== undefined || index < beforeAdditional || bytes[nameStart] !== 0) return "malformed";
      edns = {
        payloadSize: uint16(bytes, at + 2),
        version: bytes[at + 5]!,
        dnssecOk: (bytes[at + 6]! & 0x80) !== 0,
      };
    }
    at += 10 + uint16(bytes, at + 8);
    if (at > bytes.length) return "malformed";
  }
  return at === bytes.length ? edns : "malformed";
}

/** Returns the offset behind a name; undefined if the message ends within it. */
export function skipName(bytes: Uint8Array, start: number): number | undefined {
  for (let at = start; at < bytes.length; at += bytes[at]! + 1) {
    if (bytes[at] === 0) return at + 1;
    if (bytes[at]! >= 0xc0) return at + 2;
    if (bytes[at]! > 63) return undefined;
  }
  return undefined;
}

/** Returns the big-endian number in two octets. */
export function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 8 | bytes[at + 1]!;
}

/** A message with one question. */
export interface Query {
  /** The message; only the first `questionEnd` octets are used. */
  readonly bytes: Uint8Array;
  /** Lower case, without the final dot; undefined if an octet is not allowed in host names. */
  readonly name: string | undefined;
  readonly type: number;
  readonly class: number;
  /** The offset of the end of the question. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
}

/** The EDNS record of a client (RFC 6891 6.1.2, 6.1.3), without its options and unknown flags. */
export interface Edns {
  /** The largest UDP message that the client accepts. */
  readonly payloadSize: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}
