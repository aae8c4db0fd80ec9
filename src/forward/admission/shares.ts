import { Ranking } from "../../lib/ranking.ts";

/** The name of the holder that all programs on this machine are. */
const LOCAL = "this machine";

/**
 * The connections that hold slots, counted by endpoint and by source. Finds the connection that
 * gives way to another one, in constant time.
 */
export class Shares<T extends Claim> {
  /** The connections of one source to one endpoint, the longest idle first. */
  readonly #groups = new Map<string, Group<T>>();
  readonly #holders = new Map<string, Holder<T>>();
  readonly #ranking = new Ranking<Holder<T>>();

  /** The endpoint, the network or the local programs with the most connections. */
  get biggest(): Share | undefined {
    const holder = this.#ranking.first;
    return holder === undefined ? undefined : { name: holder.name, count: this.#ranking.countOf(holder) };
  }

  /** The name of the biggest holder for the log. Local programs are named by their endpoint. */
  get biggestName(): string {
    const { biggest, longestIdle } = this;
    return biggest === undefined || biggest.name === LOCAL
      ? `endpoint ${longestIdle?.endpoint}`
      : biggest.name;
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

  /**
   * Returns true if the connection's holders would have at most half as many connections as the
   * biggest holder. Inside the biggest holder, those of one source to one endpoint count instead.
   * A holder that the longest idle connection has, too, is not counted: that one makes room in it.
   */
  isSmall(claim: Claim): boolean {
    const { biggest, longestIdle } = this;
    if (biggest === undefined || longestIdle === undefined) return false;
    const group = this.#groupSize(claim);
    const names = slotHoldersOf(claim);
    if (names.includes(biggest.name)) return 2 * (group + 1) <= this.#groupSize(longestIdle);
    const shared = slotHoldersOf(longestIdle);
    const counts = names.filter((name) => !shared.includes(name)).map((name) => this.#holderSize(name));
    return 2 * (Math.max(group, ...counts) + 1) <= biggest.count;
  }

  #holderSize(name: string): number {
    const holder = this.#holders.get(name);
    return holder === undefined ? 0 : this.#ranking.countOf(holder);
  }

  #groupSize(claim: Claim): number {
    return this.#groups.get(keyOf(claim))?.claims.size ?? 0;
  }

  add(claim: T): void {
    const key = keyOf(claim);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { claims: new Set(), holders: slotHoldersOf(claim).map((name) => this.#holder(name)) };
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

/** Returns the names of the endpoint and the network that the connection counts for. */
export function holdersOf({ endpoint, source }: Claim): string[] {
  return source === undefined ? [`endpoint ${endpoint}`] : [`endpoint ${endpoint}`, `network ${source}`];
}

/** Returns the holders of a slot. The programs of this machine are one of them, as a network is. */
function slotHoldersOf(claim: Claim): string[] {
  return claim.source === undefined ? [...holdersOf(claim), LOCAL] : holdersOf(claim);
}
