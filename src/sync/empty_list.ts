import type { Discovery } from "./effects.ts";

/**
 * An empty list after one that was not may be a fault of the API, and so may be a shorter one that ends with an empty page: they are
 * believed when two polls in a row agree.
 */
export class EmptyListDoubt {
  #isOpen = false;

  /** Whether the endpoints that are known are kept at this list; the next poll decides then. */
  doubts(found: Discovery, knownCount: number): boolean {
    const count = found.endpoints.length + found.refused.length;
    const mayLackSome = count === 0 || found.endsEmpty === true;
    this.#isOpen = mayLackSome && count < knownCount && !this.#isOpen;
    return this.#isOpen;
  }

  /** A poll that failed agrees with nothing. */
  forget(): void {
    this.#isOpen = false;
  }
}
