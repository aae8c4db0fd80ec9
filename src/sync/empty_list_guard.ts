import type { ListedEndpoints } from "../model/discovery.ts";

/**
 * Protects the known endpoints from a fault of the API. A list without a usable endpoint, and a
 * shorter list that ends with an empty page, are accepted only when a second poll in a row confirms
 * them.
 */
export class EmptyListGuard {
  /** The ids of the list that waits for its confirmation. */
  #unconfirmed: string | undefined;

  /** Returns true if the known endpoints should be kept until the next poll. */
  shouldKeep(found: ListedEndpoints, known: EndpointIds): boolean {
    const ids = idsOf(found);
    const isEmpty = found.endpoints.length === 0;
    const isCutShort = found.endsEmpty === true && ids.size < idsOf(known).size;
    const mayLackSome = known.endpoints.length > 0 && (isEmpty || isCutShort);
    const listed = mayLackSome ? JSON.stringify([...ids].sort()) : undefined;
    const isConfirmed = listed === this.#unconfirmed;
    this.#unconfirmed = isConfirmed ? undefined : listed;
    return listed !== undefined && !isConfirmed;
  }

  /** Forgets the last list, because a failed poll confirms nothing. */
  reset(): void {
    this.#unconfirmed = undefined;
  }
}

/** Returns the ids of a list; one id can be listed and refused several times. */
export function idsOf({ endpoints, refused }: EndpointIds): Set<string> {
  return new Set([...endpoints, ...refused].map(({ id }) => id));
}

/** The part of a list that has ids. */
export type EndpointIds = Pick<ListedEndpoints, "endpoints" | "refused">;
