import type { Discovery } from "./effects.ts";

/** An empty list after one that was not may be a fault of the API: it is believed when two polls in a row agree. */
export class EmptyListDoubt {
  #isOpen = false;

  /** Whether the endpoints that are known are kept at this list; the next poll decides then. */
  doubts(found: Discovery, knownCount: number): boolean {
    const isEmpty = found.endpoints.length + found.refused.length === 0;
    this.#isOpen = isEmpty && knownCount > 0 && !this.#isOpen;
    return this.#isOpen;
  }

  /** A poll that failed agrees with nothing. */
  forget(): void {
    this.#isOpen = false;
  }
}
