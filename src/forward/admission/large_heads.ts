/**
 * Counts the requests whose large heads wait in memory while their route is not known, so that
 * clients which begin such heads and never end them take a bounded part of it
 * (docs/reliability.md R86).
 */
export class LargeHeads {
  readonly #max: number;
  #count = 0;

  constructor(max: number = MAX_LARGE_HEADS) {
    this.#max = max;
  }

  /** Counts one more until it is disposed; undefined if there are too many. */
  enter(): Disposable | undefined {
    if (this.#count >= this.#max) return undefined;
    this.#count++;
    return { [Symbol.dispose]: () => this.#count-- };
  }
}

/** 8 MiB of heads, if each has the largest size. */
export const MAX_LARGE_HEADS = 64;
