/** The limit of nested objects and arrays in any JSON that ngrokd parses. */
export const MAX_DEPTH = 64;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [SPACE, TAB, LF, CR] = [0x20, 0x09, 0x0a, 0x0d];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Counts the nesting and the members of a JSON text without parsing it, so that a text that would
 * take seconds and gigabytes to parse is refused. It reads each character once, and can stop
 * between two parts of the text. It does not check the syntax.
 */
export class JsonLimits {
  readonly #maxMembers: number;
  readonly #maxValues: number;
  /** The commas in each open object or array; -1 in one that is empty so far. */
  readonly #commas = new Int32Array(MAX_DEPTH + 1);
  #depth = 0;
  #values = 0;
  #inString = false;
  #escaped = false;
  #excess: string | undefined;

  constructor({ maxMembers = Infinity, maxValues = Infinity }: JsonLimitOptions = {}) {
    this.#maxMembers = maxMembers;
    this.#maxValues = maxValues;
  }

  /** Reads a part of the text; returns the limit that is exceeded, in words, if one is. */
  read(
    text: string,
    { start = 0, end = text.length }: { start?: number; end?: number } = {},
  ): string | undefined {
    for (let at = start; at < end && this.#excess === undefined; at++) this.#step(text.charCodeAt(at));
    return this.#excess;
  }

  #step(code: number): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (code === BACKSLASH) this.#escaped = true;
      else if (code === QUOTE) this.#inString = false;
      return;
    }
    if (code === SPACE || code === LF || code === CR || code === TAB) return;
    const isClosing = code === CLOSE_BRACE || code === CLOSE_BRACKET;
    if (code === COMMA || (this.#commas[this.#depth] === -1 && !isClosing)) {
      this.#count(++this.#commas[this.#depth]! + 1);
    }
    if (code === QUOTE) this.#inString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#open();
    else if (isClosing && this.#depth > 0) this.#depth--;
  }

  #open(): void {
    if (this.#depth === MAX_DEPTH) {
      this.#excess = `it is nested deeper than ${MAX_DEPTH} levels`;
      return;
    }
    this.#commas[++this.#depth] = -1;
  }

  #count(members: number): void {
    if (members > this.#maxMembers) this.#excess = `it lists more than ${this.#maxMembers} entries`;
    else if (++this.#values > this.#maxValues) this.#excess = `it has more than ${this.#maxValues} values`;
  }
}

/** Limits of {@linkcode JsonLimits} besides the nesting. */
export interface JsonLimitOptions {
  /** The most members of one object or array. @default {Infinity} */
  readonly maxMembers?: number;
  /** The most members of all objects and arrays together. @default {Infinity} */
  readonly maxValues?: number;
}
