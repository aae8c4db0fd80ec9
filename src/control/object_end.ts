import { MAX_DEPTH } from "../lib/json_limits.ts";

const WHITE_SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);
const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [
  0x22,
  0x5c,
  0x7b,
  0x7d,
  0x5b,
  0x5d,
];

/**
 * Finds the end of a JSON object in bytes that arrive in pieces, without parsing it. Each byte is
 * read once, so that a client that sends single bytes costs no more than another.
 */
export class ObjectEnd {
  #depth = 0;
  #inString = false;
  #escaped = false;

  /**
   * Reads the next bytes; returns the count up to the last byte of the object, or undefined if that
   * is not among them.
   *
   * @throws {SyntaxError} If the bytes do not begin with an object.
   * @throws {RangeError} If it is nested too deeply.
   */
  feed(bytes: Uint8Array): number | undefined {
    for (const [index, byte] of bytes.entries()) {
      if (this.#step(byte)) return index + 1;
    }
    return undefined;
  }

  #step(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (this.#depth === 0) {
      if (WHITE_SPACE.has(byte)) return false;
      if (byte !== OPEN_BRACE) throw new SyntaxError("The bytes do not begin with an object");
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.#depth--;
    if (this.#depth > MAX_DEPTH) throw new RangeError(`The object is nested deeper than ${MAX_DEPTH} levels`);
    return this.#depth === 0;
  }
}
