import { HEADER_BYTES, uint16 } from "./query.ts";

/** The most octets of a name (RFC 1035 2.3.4). */
export const MAX_NAME_OCTETS = 255;
const DOT = 0x2e;
/** A name has at most 127 labels, so more pointers have no use. */
const MAX_POINTERS = 128;
/** The most octets of all different names of a message: half of a whole message. */
const MAX_TOTAL_OCTETS = 32_768;
/**
 * Reads the names of one message. A name to which many records lead is read once, and the names
 * have at most 32,768 octets in all, so that a message of pointers costs no more than another.
 */
export class MessageNames {
  readonly #bytes: Uint8Array;
  /** The names by offset; null for a malformed one. */
  readonly #known = new Map<number, DnsName | null>();
  #octets = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Reads the name at an offset; undefined if it is malformed, or the limit is reached. */
  read(start: number): DnsName | undefined {
    const target = pointerAt(this.#bytes, { at: start, limit: start });
    if (target === undefined) return this.#readOnce(start);
    const name = this.#readOnce(target);
    return name && { ...name, end: start + 2 };
  }

  #readOnce(start: number): DnsName | undefined {
    let name = this.#known.get(start);
    if (name === undefined) {
      name = this.#octets > MAX_TOTAL_OCTETS ? null : readName(this.#bytes, start) ?? null;
      this.#octets += name?.octets ?? 0;
      this.#known.set(start, name);
    }
    return name ?? undefined;
  }
}

/** The characters of the name that is being read, with a dot before each label. */
const characters = new Uint8Array(MAX_NAME_OCTETS);

function readName(bytes: Uint8Array, start: number): DnsName | undefined {
  let size = 0;
  const end = walkName(bytes, {
    start,
    onLabel(at, length) {
      characters[size++] = DOT;
      for (const labelEnd = at + length; at < labelEnd; at++) {
        const octet = bytes[at]!;
        characters[size++] = octet >= 65 && octet <= 90 ? octet + 32 : octet;
      }
    },
  });
  if (end === undefined) return undefined;
  return { name: String.fromCharCode(...characters.subarray(1, Math.max(1, size))), octets: size + 1, end };
}

/**
 * Calls `onLabel` with the offset and length of each label of a name, also of a compressed one, and
 * returns the offset behind the name. Undefined if it is malformed: every pointer must lead back,
 * so that reading ends (RFC 1035 4.1.4), and 128 pointers are enough for any name.
 */
export function walkName(bytes: Uint8Array, options: WalkOptions): number | undefined {
  const { start, onLabel } = options;
  let octets = 1;
  let pointers = 0;
  let end: number | undefined;
  let limit = start;
  for (let at = start;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      end ??= at + 2;
      const target = pointerAt(bytes, { at, limit });
      if (target === undefined || ++pointers > MAX_POINTERS) return undefined;
      at = limit = target;
      continue;
    }
    if (length === 0) return end ?? at + 1;
    octets += length + 1;
    if (length > 63 || at + length >= bytes.length || octets > MAX_NAME_OCTETS) return undefined;
    onLabel(at + 1, length);
    at += length + 1;
  }
}

/** The target of a pointer that leads back before `limit`; undefined if there is none. */
function pointerAt(
  bytes: Uint8Array,
  { at, limit }: { readonly at: number; readonly limit: number },
): number | undefined {
  if (at + 2 > bytes.length || bytes[at]! < 0xc0) return undefined;
  const target = uint16(bytes, at) & 0x3fff;
  return target < limit && target >= HEADER_BYTES ? target : undefined;
}

/** A name of a message. */
export interface DnsName {
  /** In lower case, without the final dot. */
  readonly name: string;
  /** Its size without compression. */
  readonly octets: number;
  /** The offset behind it. */
  readonly end: number;
}

interface WalkOptions {
  readonly start: number;
  readonly onLabel: (at: number, length: number) => void;
}
