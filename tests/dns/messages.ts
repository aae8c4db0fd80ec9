import { Buffer } from "node:buffer";
import packet from "dns-packet";

/** The parts of a message of a client or an attacker. */
export interface MessageParts {
  readonly name?: string;
  readonly type?: number;
  readonly class?: number;
  readonly id?: number;
  /** The third and fourth octet of the header: flags, opcode, response code. */
  readonly flags?: readonly [number, number];
  /** Complete records of the additional section. */
  readonly additional?: readonly Uint8Array[];
  /** The number of questions in the header. */
  readonly questions?: number;
}

export const TYPES = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  CDS: 59,
  CDNSKEY: 60,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
};

/** A message with one question, by default with RD. */
export function message(parts: MessageParts): Uint8Array<ArrayBuffer> {
  const { name = "a.example.com", type = 1, id = 0x1234, flags = [1, 0], additional = [], questions = 1 } =
    parts;
  const labels = name === "" ? [] : name.split(".");
  return new Uint8Array([
    ...[id >> 8, id & 255, ...flags, 0, questions, 0, 0, 0, 0, 0, additional.length],
    ...labels.flatMap((label) => [label.length, ...new TextEncoder().encode(label)]),
    ...[0, type >> 8, type & 255, 0, parts.class ?? 1],
    ...additional.flatMap((record) => [...record]),
  ]);
}

/** An OPT record. */
export function opt(
  parts: { size?: number; version?: number; flags?: number; options?: readonly number[] } = {},
): Uint8Array {
  const { size = 1232, version = 0, flags = 0, options = [] } = parts;
  return new Uint8Array([
    ...[0, 0, TYPES.OPT, size >> 8, size & 255, 0, version, flags >> 8, flags & 255],
    ...[options.length >> 8, options.length & 255, ...options],
  ]);
}

/** A message as read by an independent library. */
export interface Decoded {
  readonly id: number;
  readonly type: "query" | "response";
  readonly rcode: string;
  readonly opcode: string;
  readonly flag_aa: boolean;
  readonly flag_tc: boolean;
  readonly flag_rd: boolean;
  readonly flag_ra: boolean;
  readonly flag_z: boolean;
  readonly flag_ad: boolean;
  readonly flag_cd: boolean;
  readonly questions: readonly { name: string; type: string; class: string }[];
  readonly answers: readonly DecodedRecord[];
  readonly authorities: readonly DecodedRecord[];
  readonly additionals: readonly DecodedRecord[];
}

/** One record as read by dns-packet. */
export interface DecodedRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl?: number;
  readonly data?: unknown;
  readonly udpPayloadSize?: number;
  readonly extendedRcode?: number;
  readonly ednsVersion?: number;
  readonly flags?: number;
  readonly options?: readonly unknown[];
}

/** Reads a whole message; throws if it is not one. */
export function decode(bytes: Uint8Array): Decoded {
  const decoded = packet.decode(Buffer.from(bytes)) as unknown as Decoded;
  if (packet.decode.bytes !== bytes.length) {
    throw new Error(`${bytes.length - packet.decode.bytes} octets too many`);
  }
  return decoded;
}

/** The name that a message asks for, in lower case: ngrokd asks other servers in random case. */
export function nameOf(request: Uint8Array): string {
  return decode(request).questions[0]!.name.toLowerCase();
}

/** The reply of a server: the question of the message and these A records. */
export function replyTo(
  request: Uint8Array,
  parts: { addresses?: readonly string[]; rcode?: number; truncated?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const { addresses = [], rcode = 0, truncated = false } = parts;
  const { questions, flag_rd } = decode(request);
  const [question] = questions;
  const name = packet.name.encodingLength(question!.name);
  const reply = new Uint8Array([
    ...request.subarray(0, 2),
    ...[0x80 | (truncated ? 2 : 0) | Number(flag_rd), 0x80 | rcode, 0, 1, 0, addresses.length, 0, 0, 0, 0],
    ...request.subarray(12, 12 + name + 4),
    ...addresses.flatMap((
      address,
    ) => [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split(".").map(Number)]),
  ]);
  return reply;
}

/** The reply of a server with these records, as dns-packet writes them. */
export function replyOf(
  request: Uint8Array,
  parts: { answers?: readonly PacketRecord[]; authorities?: readonly PacketRecord[]; rcode?: number } = {},
): Uint8Array<ArrayBuffer> {
  const { answers = [], authorities = [], rcode = 0 } = parts;
  const { id, questions, flag_rd } = decode(request);
  const flags = 0x0080 | (flag_rd ? 0x0100 : 0) | rcode;
  const encoded = packet.encode({
    ...{ type: "response", id, flags },
    ...{ questions: [...questions], answers: [...answers], authorities: [...authorities] },
  } as unknown as packet.Packet);
  return new Uint8Array(encoded);
}

/** A record as dns-packet takes it; `data` depends on the type. */
export interface PacketRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl?: number;
  readonly data: unknown;
}
