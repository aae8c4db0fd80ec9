import type { ListedEndpoints } from "../model/discovery.ts";

/**
 * Protects the known endpoints from a fault of the API. An empty list after one that was not, and a
 * shorter list that ends with an empty page, count only when a second poll in a row confirms them.
 */
export class EmptyListGuard {
  /** The ids of the list that waits for its confirmation. */
  #unconfirmed: string | undefined;

  /** Returns true if the known endpoints should be kept until the next poll. */
  shouldKeep(found: ListedEndpoints, knownCount: number): boolean {
    const count = found.endpoints.length + found.refused.length;
    const mayLackSome = count === 0 || found.endsEmpty === true;
    const listed = mayLackSome && count < knownCount ? idsOf(found) : undefined;
    const isConfirmed = listed === this.#unconfirmed;
    this.#unconfirmed = isConfirmed ? undefined : listed;
    return listed !== undefined && !isConfirmed;
  }

  /** Forgets the last list, because a failed poll confirms nothing. */
  reset(): void {
    this.#unconfirmed = undefined;
  }
}

function idsOf({ endpoints, refused }: ListedEndpoints): string {
  return [...endpoints, ...refused].map(({ id }) => id).sort().join();
}
