/** After so many draws the search goes up from the last one: the subnet may be nearly full. */
const MAX_DRAWS = 8;

/** The addresses of a range that are not used, in random order. */
export class FreeAddresses {
  readonly #options: FreeAddressesOptions;
  /** Used address → an address above it from which the search goes on. */
  readonly #above = new Map<number, number>();
  #left: number;

  constructor(used: ReadonlySet<number>, options: FreeAddressesOptions) {
    this.#options = options;
    for (const address of used) this.#above.set(address, address + 1);
    this.#left = Math.max(0, options.last - options.first + 1 - used.size);
  }

  /** Returns a free address and marks it as used; undefined if none is left. */
  take(): number | undefined {
    if (this.#left === 0) return undefined;
    let address = this.#draw();
    for (let draws = 1; draws < MAX_DRAWS && this.#above.has(address); draws++) address = this.#draw();
    address = this.#firstFree(address);
    this.#above.set(address, address + 1);
    this.#left--;
    return address;
  }

  #draw(): number {
    const { first, last, random } = this.#options;
    return first + Math.floor(random() * (last - first + 1));
  }

  /** Returns the first free address from this one up, then from the first one of the range. */
  #firstFree(start: number): number {
    const { first, last } = this.#options;
    const passed: number[] = [];
    let address = start;
    for (;;) {
      if (address > last) address = first;
      const above = this.#above.get(address);
      if (above === undefined) break;
      passed.push(address);
      address = above;
    }
    // The next search skips what this one has passed. From those above the result it wraps around.
    for (const each of passed) this.#above.set(each, each < address ? address : last + 1);
    return address;
  }
}

/** The range, and the source of random numbers. */
export interface FreeAddressesOptions {
  readonly first: number;
  readonly last: number;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
}
