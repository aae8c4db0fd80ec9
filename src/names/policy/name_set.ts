import { parentDomains } from "../../lib/hostname.ts";

/**
 * A set of names that answers in constant time whether an endpoint would take one of them: by the
 * same name, or by a wildcard above it.
 */
export class NameSet {
  readonly #names: ReadonlySet<string>;
  /** Domain → one of the names below it. */
  readonly #below = new Map<string, string>();

  /** @param names Normalised host names. */
  constructor(names: Iterable<string>) {
    this.#names = new Set(names);
    for (const name of this.#names) {
      for (const parent of parentDomains(name)) if (!this.#below.has(parent)) this.#below.set(parent, name);
    }
  }

  /** Returns a name that an endpoint with this name or wildcard would take; undefined for none. */
  taken(name: string): string | undefined {
    if (name.startsWith("*.")) return this.#below.get(name.slice(2));
    return this.#names.has(name) ? name : undefined;
  }
}
