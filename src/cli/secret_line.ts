const [ENTER, LINE_FEED, CTRL_C, CTRL_D, CTRL_U, BACKSPACE, DELETE] = [
  0x0d,
  0x0a,
  0x03,
  0x04,
  0x15,
  0x08,
  0x7f,
];

/**
 * A line that is typed without echo: Backspace and Ctrl-U delete, Enter ends it, Ctrl-C cancels it.
 */
export class SecretLine {
  #bytes: number[] = [];
  #cancelled = false;

  /** Takes the next bytes; returns false once the line has ended. */
  feed(bytes: Uint8Array): boolean {
    for (const byte of bytes) {
      if (byte === ENTER || byte === LINE_FEED || byte === CTRL_D) return false;
      if (byte === CTRL_C) {
        this.#cancelled = true;
        return false;
      }
      if (byte === BACKSPACE || byte === DELETE) this.#bytes.pop();
      else if (byte === CTRL_U) this.#bytes = [];
      else if (byte >= 0x20) this.#bytes.push(byte);
    }
    return true;
  }

  /** The line; undefined if it was cancelled. */
  get text(): string | undefined {
    return this.#cancelled ? undefined : new TextDecoder().decode(Uint8Array.from(this.#bytes));
  }
}
