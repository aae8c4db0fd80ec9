/** The time that every client has to send its first bytes, even in a flood. */
const GRACE_MS = 500;

/**
 * The connections whose route is not known yet. Above their limit, the client that has the most of
 * them loses its oldest ones: a client that sends nothing displaces only itself
 * (docs/reliability.md R25).
 */
export class UnroutedConnections {
  readonly #options: UnroutedOptions;
  readonly #clients = new Map<string, Set<Entry>>();
  #size = 0;
  #crowdedAt = -Infinity;

  constructor(options: UnroutedOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** Counts a connection of this client until it is disposed. `evict` must end the connection. */
  enter(peer: string, evict: () => void): Disposable {
    const { max, crowdMs } = this.#options;
    const entry = { since: performance.now(), evict };
    const entries = this.#clients.get(peer) ?? new Set();
    this.#clients.set(peer, entries.add(entry));
    this.#size++;
    if (this.#size > max / 4) this.#crowdedAt = entry.since;
    const timer = setTimeout(() => {
      if (this.#crowdedAt >= entry.since) this.#evict(peer, entry);
    }, crowdMs);
    while (this.#size > max && this.#evictOne());
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        this.#leave(peer, entry);
      },
    };
  }

  /** Returns false if all connections are still in their grace period. */
  #evictOne(): boolean {
    let most = 0;
    let oldest: { peer: string; entry: Entry } | undefined;
    for (const [peer, entries] of this.#clients) {
      const [entry] = entries;
      const isOlder = oldest === undefined || entry!.since < oldest.entry.since;
      if (entries.size < most || (entries.size === most && !isOlder)) continue;
      most = entries.size;
      oldest = { peer, entry: entry! };
    }
    if (oldest === undefined || performance.now() - oldest.entry.since < GRACE_MS) return false;
    this.#evict(oldest.peer, oldest.entry);
    return true;
  }

  #evict(peer: string, entry: Entry): void {
    if (this.#leave(peer, entry)) entry.evict();
  }

  #leave(peer: string, entry: Entry): boolean {
    const entries = this.#clients.get(peer);
    if (entries === undefined || !entries.delete(entry)) return false;
    this.#size--;
    if (entries.size === 0) this.#clients.delete(peer);
    return true;
  }
}

/** Options of {@linkcode UnroutedConnections}. */
export interface UnroutedOptions {
  /** Above this number, connections that are past their grace period are evicted. */
  readonly max: number;
  /** The time limit of a connection that shares the listener with a crowd, in milliseconds. */
  readonly crowdMs: number;
}

interface Entry {
  readonly since: number;
  readonly evict: () => void;
}
