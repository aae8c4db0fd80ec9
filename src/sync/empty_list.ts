import type { Discovery } from "../model/discovery.ts";

/**
 * An empty list after one that was not may be a fault of the API, and so may be a shorter one that ends with an empty page: they are
 * believed when two polls in a row agree.
 */
export class EmptyListDoubt {
  /** What was listed when it was doubted last. */
  #doubted: string | undefined;

  /** Whether the endpoints that are known are kept at this list; the next poll decides then. */
  doubts(found: Discovery, knownCount: number): boolean {
    const count = found.endpoints.length + found.refused.length;
    const mayLackSome = count === 0 || found.endsEmpty === true;
    const listed = mayLackSome && count < knownCount ? idsOf(found) : undefined;
    const isSame = listed === this.#doubted;
    this.#doubted = isSame ? undefined : listed;
    return listed !== undefined && !isSame;
  }

  /** A poll that failed agrees with nothing. */
  forget(): void {
    this.#doubted = undefined;
  }
}

function idsOf({ endpoints, refused }: Discovery): string {
  return [...endpoints, ...refused].map(({ id }) => id).sort().join();
}
