import { MAX_NAME_OCTETS, walkName } from "./message_names.ts";
import { HEADER_BYTES, type Query, TYPE } from "./query.ts";
import type { DnsRecord } from "./records.ts";

const AD = 0x20;
const MAX_BYTES = 65_535;
/** A pointer to the name of the question. */
const QUESTION = new Uint8Array([0xc0, HEADER_BYTES]);
/**
 * The places of names in the data of the types that may be compressed (RFC 3597 4): octets before
 * the first name, and the number of names.
 */
const NAMES: Readonly<Record<number, readonly [before: number, count: number]>> = {
  ...Object.fromEntries([2, 3, 4, 5, 7, 8, 9, 12, 39].map((type) => [type, [0, 1] as const])),
  ...Object.fromEntries([6, 14, 17].map((type) => [type, [0, 2] as const])),
  ...Object.fromEntries([15, 18, 21, 36].map((type) => [type, [2, 1] as const])),
  26: [2, 2],
  33: [6, 1],
};

/**
 * Makes a reply from some of the records of another one, with the question of the query. Answers,
 * the SOA of a negative answer and EDNS stay. AD is cleared: nobody can validate what is left.
 * Names are written in full, because a pointer may lead to a removed record.
 *
 * Undefined if a name is malformed, or the reply is too long with its names in full.
 */
export function rebuildReply(
  reply: Uint8Array,
  options: RebuildOptions,
): Uint8Array | undefined {
  const { query, records, ownerIsQuestion = false } = options;
  const answers = records.filter(({ section }) => section === "answer");
  const soa = records.filter(({ type, section }) => type === TYPE.SOA && section === "authority").slice(0, 1);
  const edns = records.filter(({ type, section }) => type === TYPE.OPT && section === "additional").slice(
    0,
    1,
  );
  const writer = new Writer(reply);
  writer.copy(0, 4);
  writer.add([0, 1, answers.length >> 8, answers.length & 255, 0, soa.length, 0, edns.length]);
  writer.add(query.bytes.subarray(HEADER_BYTES, query.questionEnd));
  for (const record of [...answers, ...soa, ...edns]) {
    const isOwner = ownerIsQuestion && record.section === "answer";
    if (!writer.addRecord(record, { owner: isOwner ? QUESTION : undefined })) return undefined;
  }
  const rebuilt = writer.written;
  rebuilt[3]! &= ~AD;
  return rebuilt;
}

/** Options of {@linkcode rebuildReply}. */
export interface RebuildOptions {
  readonly query: Query;
  readonly records: readonly DnsRecord[];
  /** True if all answers get the name of the question. @default {false} */
  readonly ownerIsQuestion?: boolean;
}

/** Writes a message from parts of another one. */
class Writer {
  readonly #from: Uint8Array;
  readonly #bytes = new Uint8Array(MAX_BYTES);
  #at = 0;

  constructor(from: Uint8Array) {
    this.#from = from;
  }

  get written(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  add(octets: ArrayLike<number>): boolean {
    if (this.#at + octets.length > MAX_BYTES) return false;
    this.#bytes.set(octets, this.#at);
    this.#at += octets.length;
    return true;
  }

  copy(start: number, end: number): boolean {
    return start <= end && this.add(this.#from.subarray(start, end));
  }

  /** Returns false if a name of the record is malformed, or there is no room for it. */
  addRecord(record: DnsRecord, { owner }: { readonly owner?: Uint8Array | undefined } = {}): boolean {
    const { start, nameEnd, type, dataStart, dataEnd } = record;
    const [before, count] = NAMES[type] ?? [0, 0];
    const leadsToQuestion = this.#from[start] === QUESTION[0] && this.#from[start + 1] === QUESTION[1];
    const given = leadsToQuestion ? QUESTION : owner;
    if (!(given === undefined ? this.#addName(start) !== undefined : this.add(given))) return false;
    const lengthAt = this.#at + 8;
    if (!this.copy(nameEnd, nameEnd + 10) || dataStart + before > dataEnd) return false;
    let at: number | undefined = dataStart + before;
    if (!this.copy(dataStart, at)) return false;
    for (let index = 0; index < count; index++) {
      at = this.#addName(at);
      if (at === undefined || at > dataEnd) return false;
    }
    if (!this.copy(at, dataEnd)) return false;
    const length = this.#at - lengthAt - 2;
    this.#bytes[lengthAt] = length >> 8;
    this.#bytes[lengthAt + 1] = length & 255;
    return true;
  }

  /** Writes a name in full; returns the offset behind it, or undefined. */
  #addName(start: number): number | undefined {
    if (this.#at + MAX_NAME_OCTETS > MAX_BYTES) return undefined;
    const [from, to] = [this.#from, this.#bytes];
    const end = walkName(from, {
      start,
      onLabel: (at, length) => {
        for (let octet = at - 1; octet < at + length; octet++) to[this.#at++] = from[octet]!;
      },
    });
    to[this.#at++] = 0;
    return end;
  }
}
