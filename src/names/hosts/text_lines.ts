/** A text by lines, each with its line end, without copies of them. */
export class TextLines {
  /** A byte order mark, which is no part of the first line. */
  readonly mark: string;
  readonly #text: string;
  readonly #starts: number[];

  constructor(text: string) {
    this.mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : "";
    this.#text = text;
    this.#starts = [];
    for (let start = this.mark.length; start < text.length;) {
      this.#starts.push(start);
      const newline = text.indexOf("\n", start);
      start = newline === -1 ? text.length : newline + 1;
    }
  }

  get length(): number {
    return this.#starts.length;
  }

  /** Returns the text of the lines from one index to before another. */
  slice(from: number, to: number): string {
    const { length } = this.#text;
    return this.#text.slice(this.#starts[from] ?? length, this.#starts[to] ?? length);
  }

  get(index: number): string {
    return this.slice(index, index + 1);
  }

  /** Returns the index of the line with this character of the text. */
  lineOf(position: number): number {
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= position) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The byte order mark of UTF-8, one character per byte. */
export const BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf";
