/** One element of DER (X.690 8.1), with its tag in one byte. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array<ArrayBuffer>;
  /** The element with its tag and length. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Tags of DER. */
export const TAG = { integer: 0x02, oid: 0x06, sequence: 0x30 } as const;

/**
 * Reads the elements that follow each other in `bytes`, and nothing inside them.
 *
 * @throws {SyntaxError} If they do not end where `bytes` ends.
 */
export function readElements(bytes: Uint8Array<ArrayBuffer>): DerElement[] {
  const elements: DerElement[] = [];
  for (let start = 0; start < bytes.length;) {
    const { contentStart, end } = readLength(bytes, start + 1);
    if (end > bytes.length) {
      throw new SyntaxError("Cannot read DER: an element is longer than its surroundings");
    }
    elements.push({
      tag: bytes[start]!,
      content: bytes.subarray(contentStart, end),
      bytes: bytes.subarray(start, end),
    });
    start = end;
  }
  return elements;
}

/**
 * Reads the content of a single element with this tag.
 *
 * @throws {SyntaxError} If it is another element, or not the only one.
 */
export function readSingle(bytes: Uint8Array<ArrayBuffer>, tag: number): Uint8Array<ArrayBuffer> {
  const [element, ...more] = readElements(bytes);
  if (element?.tag !== tag || more.length > 0) {
    throw new SyntaxError("Cannot read DER: an unexpected element");
  }
  return element.content;
}

/** Bytes. The longest in use hold a UUID and have 20; reading one takes quadratic time. */
const MAX_OID_LENGTH = 64;

/**
 * Returns an object identifier in dotted form: `2.5.4.3`.
 *
 * @throws {SyntaxError} If it has more than 64 bytes.
 */
export function oidText(content: Uint8Array): string {
  if (content.length > MAX_OID_LENGTH) {
    throw new SyntaxError(`Cannot read DER: an object identifier has more than ${MAX_OID_LENGTH} bytes`);
  }
  const numbers: bigint[] = [];
  let number = 0n;
  for (const byte of content) {
    number = (number << 7n) | BigInt(byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    numbers.push(number);
    number = 0n;
  }
  const [first = 0n, ...rest] = numbers;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...rest].join(".");
}

function readLength(bytes: Uint8Array, at: number): { contentStart: number; end: number } {
  const first = bytes[at] ?? 0xff;
  if (first < 0x80) return { contentStart: at + 1, end: at + 1 + first };
  const count = first & 0x7f;
  const contentStart = at + 1 + count;
  if (count === 0 || count > 3 || contentStart > bytes.length) {
    throw new SyntaxError("Cannot read DER: an element has no valid length");
  }
  const length = bytes.subarray(at + 1, contentStart).reduce((sum, byte) => sum * 256 + byte, 0);
  return { contentStart, end: contentStart + length };
}
