/** Options of {@linkcode UnroutedConnections}. */
export interface UnroutedOptions {
  /** Above this, those that have had their time must go. */
  readonly max: number;
  /** How long a connection may stay if it saw a crowd, in milliseconds. */
  readonly crowdMs: number;
}

/** What a client needs to say what it wants, even in a storm of others. */
const GRACE_MS = 500;

interface Member {
  readonly since: number;
  readonly evict: () => void;
}

/**
 * The connections that have not said yet where they go. Above the cap, the source that has the most loses its oldest ones: a client that
 * says what it wants is through at once, and one that only sits there can take the place of nobody but itself (RELIABILITY.md R25).
 */
export class UnroutedConnections {
  readonly #options: UnroutedOptions;
  readonly #sources = new Map<string, Set<Member>>();
  #size = 0;
  #crowdedAt = -Infinity;

  constructor(options: UnroutedOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** Takes a connection of this source in, until it is disposed. `evict` must end it. */
  enter(source: string, evict: () => void): Disposable {
    const { max, crowdMs } = this.#options;
    const member = { since: performance.now(), evict };
    const members = this.#sources.get(source) ?? new Set();
    this.#sources.set(source, members.add(member));
    this.#size++;
    if (this.#size > max / 4) this.#crowdedAt = member.since;
    const timer = setTimeout(() => {
      if (this.#crowdedAt >= member.since) this.#evict(source, member);
    }, crowdMs);
    while (this.#size > max && this.#evictOne());
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        this.#leave(source, member);
      },
    };
  }

  /** False if there is none to evict. */
  #evictOne(): boolean {
    let most = 0;
    let oldest: { source: string; member: Member } | undefined;
    for (const [source, members] of this.#sources) {
      const [member] = members;
      const isOlder = oldest === undefined || member!.since < oldest.member.since;
      if (members.size < most || (members.size === most && !isOlder)) continue;
      most = members.size;
      oldest = { source, member: member! };
    }
    if (oldest === undefined || performance.now() - oldest.member.since < GRACE_MS) return false;
    this.#evict(oldest.source, oldest.member);
    return true;
  }

  #evict(source: string, member: Member): void {
    if (this.#leave(source, member)) member.evict();
  }

  #leave(source: string, member: Member): boolean {
    const members = this.#sources.get(source);
    if (members === undefined || !members.delete(member)) return false;
    this.#size--;
    if (members.size === 0) this.#sources.delete(source);
    return true;
  }
}
