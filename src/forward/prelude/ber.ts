/** The largest number of bytes of a length in long form; Windows always writes 4. */
const MAX_LENGTH_BYTES = 4;

/** The tag and length of a BER element, and where its content is. */
export interface BerHeader {
  readonly tag: number;
  /** The offset of the content. */
  readonly start: number;
  /** The offset of the byte after the content, which may be beyond the bytes. */
  readonly end: number;
}

/**
 * Reads the header of the element at an offset, with a length in short or long form (X.690 8.1.3);
 * "more" if the bytes end within it, undefined for the indefinite form and longer lengths.
 */
export function readHeader(bytes: Uint8Array, offset: number): BerHeader | undefined | "more" {
  const first = bytes[offset + 1];
  if (first === undefined) return "more";
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > MAX_LENGTH_BYTES) return undefined;
  const start = offset + 2 + lengthBytes;
  if (bytes.length < start) return "more";
  const length = lengthBytes === 0
    ? first
    : bytes.subarray(offset + 2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  return { tag: bytes[offset]!, start, end: start + length };
}

/** Returns the content of the element at an offset, if it is complete and has this tag. */
export function readElement(bytes: Uint8Array, at: { offset: number; tag: number }): BerHeader | undefined {
  const header = readHeader(bytes, at.offset);
  if (header === undefined || header === "more") return undefined;
  return header.tag === at.tag && header.end <= bytes.length ? header : undefined;
}
