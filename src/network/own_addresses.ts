/** The time for which one list answers, in milliseconds. */
const MAX_AGE_MS = 1000;

/**
 * The addresses of this machine, listed at most once in a second: a list takes half a millisecond,
 * and every peer outside the allowed networks is looked up.
 */
export class OwnAddresses {
  readonly #list: () => readonly string[];
  #addresses: ReadonlySet<string> = new Set();
  #listedAt = -Infinity;

  constructor(list: () => readonly string[]) {
    this.#list = list;
  }

  /**
   * Returns true for an address that this machine has, or had within the last second.
   *
   * @throws The error of the list, which may need a descriptor.
   */
  has(address: string): boolean {
    const now = performance.now();
    if (now - this.#listedAt >= MAX_AGE_MS) {
      this.#addresses = new Set(this.#list());
      this.#listedAt = now;
    }
    return this.#addresses.has(address);
  }
}
