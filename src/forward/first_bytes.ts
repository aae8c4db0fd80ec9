const NOTHING = new Uint8Array(0);

/**
 * The bytes of a client that were read to find its route. Their owner takes them once, so that a
 * large head does not stay in memory as long as its connection lasts (docs/reliability.md R86).
 */
export class FirstBytes {
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array = NOTHING) {
    this.#bytes = bytes;
  }

  /** Returns all bytes, and forgets them. */
  take(): Uint8Array {
    const bytes = this.#bytes;
    this.#bytes = NOTHING;
    return bytes;
  }
}
