import { Ranking } from "../../lib/ranking.ts";

/**
 * The connections that hold slots, counted by endpoint and by source. Finds the connection that
 * gives way to another one, in constant time.
 */
export class Shares<T extends Claim> {
  /** The connections of one source to one endpoint, the longest idle first. */
  readonly #groups = new Map<string, Group<T>>();
  readonly #holders = new Map<string, Holder<T>>();
  readonly #ranking = new Ranking<Holder<T>>();

  /** The endpoint or the source with the most connections. */
  get biggest(): Share | undefined {
    const holder = this.#ranking.first;
    return holder === undefined ? undefined : { name: holder.name, count: this.#ranking.countOf(holder) };
  }

  /**
   * The longest idle connection of the biggest holder. Of an endpoint it is one of the source with
   * the most connections to it, of a source one of the endpoint that it uses most.
   */
  get longestIdle(): T | undefined {
    for (const claim of this.#ranking.first?.groups.first?.claims ?? []) return claim;
    return undefined;
  }

  /** Returns the connections of each group, the longest idle first. */
  *byGroup(): Iterable<Iterable<T>> {
    for (const { claims } of this.#groups.values()) yield claims;
  }

  /** Returns the larger one of the two counts that the connection belongs to. */
  countOf(claim: Claim): number {
    return Math.max(
      ...holdersOf(claim).map((name) => {
        const holder = this.#holders.get(name);
        return holder === undefined ? 0 : this.#ranking.countOf(holder);
      }),
    );
  }

  add(claim: T): void {
    const key = keyOf(claim);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { claims: new Set(), holders: holdersOf(claim).map((name) => this.#holder(name)) };
      this.#groups.set(key, group);
    }
    group.claims.add(claim);
    for (const holder of group.holders) {
      this.#ranking.add(holder);
      holder.groups.add(group);
    }
  }

  /** Makes the connection the last one of its group to give way. */
  touch(claim: T): void {
    const claims = this.#groups.get(keyOf(claim))?.claims;
    if (claims?.delete(claim)) claims.add(claim);
  }

  /** Returns false if the connection was not there. */
  remove(claim: T): boolean {
    const key = keyOf(claim);
    const group = this.#groups.get(key);
    if (group === undefined || !group.claims.delete(claim)) return false;
    for (const holder of group.holders) {
      holder.groups.remove(group);
      if (this.#ranking.remove(holder) === 0) this.#holders.delete(holder.name);
    }
    if (group.claims.size === 0) this.#groups.delete(key);
    return true;
  }

  #holder(name: string): Holder<T> {
    const known = this.#holders.get(name);
    if (known !== undefined) return known;
    const holder = { name, groups: new Ranking<Group<T>>() };
    this.#holders.set(name, holder);
    return holder;
  }
}

/** The endpoint of a connection, and the network of its client. */
export interface Claim {
  /** The key of the service: `host:port`. */
  readonly endpoint: string;
  /** Undefined for a program on this machine. */
  readonly source: string | undefined;
}

/** An endpoint or a source, and the number of its connections. */
export interface Share {
  readonly name: string;
  readonly count: number;
}

interface Holder<T> {
  readonly name: string;
  readonly groups: Ranking<Group<T>>;
}

interface Group<T> {
  readonly claims: Set<T>;
  readonly holders: readonly Holder<T>[];
}

function keyOf({ endpoint, source }: Claim): string {
  return `${source} ${endpoint}`;
}

/** Returns the names of the holders that the connection counts for. */
export function holdersOf({ endpoint, source }: Claim): string[] {
  return source === undefined ? [`endpoint ${endpoint}`] : [`endpoint ${endpoint}`, `network ${source}`];
}
