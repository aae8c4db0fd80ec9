import { HEADER_BYTES, type Query, TYPE, uint16 } from "./query.ts";
import type { DnsRecord } from "./records.ts";

const AD = 0x20;
const MAX_BYTES = 65_535;
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
 * Makes a reply from some of the answers of another one, with the question of the query. The
 * authority section is left out, and of the additional section all but EDNS. AD is cleared: nobody
 * can validate what is left. Names are written in full, because a pointer may lead to a removed
 * record.
 */
export function rebuildReply(
  reply: Uint8Array,
  options: { readonly query: Query; readonly records: readonly DnsRecord[] },
): Uint8Array {
  const { query, records } = options;
  const answers = records.filter(({ isAnswer }) => isAnswer).map((record) => encode(reply, record));
  const edns = records.filter(({ type, isAnswer }) => type === TYPE.OPT && !isAnswer).slice(0, 1)
    .map(({ start, dataEnd }) => reply.subarray(start, dataEnd));
  const size = [...answers, ...edns].reduce((sum, { length }) => sum + length, query.questionEnd);
  const parts = size > MAX_BYTES ? edns : [...answers, ...edns];
  const count = parts.length - edns.length;
  const rebuilt = new Uint8Array(parts.reduce((sum, { length }) => sum + length, query.questionEnd));
  rebuilt.set(reply.subarray(0, 4));
  rebuilt[3]! &= ~AD;
  rebuilt.set([0, 1, count >> 8, count & 255, 0, 0, 0, edns.length], 4);
  rebuilt.set(query.bytes.subarray(HEADER_BYTES, query.questionEnd), HEADER_BYTES);
  let at = query.questionEnd;
  for (const part of parts) {
    rebuilt.set(part, at);
    at += part.length;
  }
  return rebuilt;
}

function encode(bytes: Uint8Array, record: DnsRecord): Uint8Array {
  const { start, nameEnd, type, dataStart, dataEnd } = record;
  const owner = bytes[start] === 0xc0 && bytes[start + 1] === HEADER_BYTES
    ? bytes.subarray(start, nameEnd)
    : wireName(bytes, start).wire;
  const data = encodeData(bytes, { type, dataStart, dataEnd });
  const fixed = bytes.subarray(nameEnd, nameEnd + 8);
  return new Uint8Array([...owner, ...fixed, data.length >> 8, data.length & 255, ...data]);
}

function encodeData(
  bytes: Uint8Array,
  { type, dataStart, dataEnd }: Pick<DnsRecord, "type" | "dataStart" | "dataEnd">,
): Uint8Array {
  const [before, count] = NAMES[type] ?? [0, 0];
  const parts = [...bytes.subarray(dataStart, dataStart + before)];
  let at = dataStart + before;
  for (let index = 0; index < count && at < dataEnd; index++) {
    const { wire, end } = wireName(bytes, at);
    parts.push(...wire);
    at = end;
  }
  return new Uint8Array([...parts, ...bytes.subarray(at, dataEnd)]);
}

/** A name without pointers. Malformed names, which a client cannot read either, end early. */
function wireName(bytes: Uint8Array, start: number): { wire: number[]; end: number } {
  const wire: number[] = [];
  let end: number | undefined;
  let limit = start;
  for (let at = start; at < bytes.length && wire.length < 255;) {
    const length = bytes[at]!;
    if (length >= 0xc0) {
      end ??= at + 2;
      const target = uint16(bytes, at) & 0x3fff;
      if (target >= limit) break;
      at = limit = target;
    } else if (length === 0 || length > 63) {
      end ??= at + 1;
      break;
    } else {
      wire.push(...bytes.subarray(at, at + length + 1));
      at += length + 1;
    }
  }
  return { wire: [...wire, 0], end: end ?? bytes.length };
}
