/**
 * A queue of names in which each domain has its turn: thousands of names below one domain do not
 * keep a name of another one waiting. All operations take constant time.
 */
export class TurnQueue {
  /** Domain → its names, those to take first and the others. The first domain has the next turn. */
  readonly #domains = new Map<string, DomainNames>();

  /** Adds a name before or behind the others of its domain. */
  add(name: string, options: { readonly domain: string; readonly isFirst: boolean }): void {
    const { domain, isFirst } = options;
    let names = this.#domains.get(domain);
    if (names === undefined) this.#domains.set(domain, names = { first: new Set(), others: new Set() });
    (isFirst ? names.first : names.others).add(name);
  }

  /** Takes the name whose turn it is; undefined if the queue is empty. */
  take(): string | undefined {
    for (const [domain, names] of this.#domains) {
      const [name] = names.first.size > 0 ? names.first : names.others;
      this.#domains.delete(domain);
      if (name === undefined) continue;
      this.#domains.set(domain, names);
      this.delete(name, domain);
      return name;
    }
    return undefined;
  }

  delete(name: string, domain: string): void {
    const names = this.#domains.get(domain);
    if (names === undefined) return;
    names.first.delete(name);
    names.others.delete(name);
    if (names.first.size + names.others.size === 0) this.#domains.delete(domain);
  }
}

interface DomainNames {
  readonly first: Set<string>;
  readonly others: Set<string>;
}
