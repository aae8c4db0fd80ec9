/** The time that every client has to send its first bytes, even in a flood. */
const GRACE_MS = 500;

/**
 * The connections whose route is not known yet. Above their limit, the source that has the most of
 * them loses its oldest ones: a source (a network, or the local programs at one listener) that
 * sends nothing displaces only itself (docs/reliability.md R25).
 */
export class UnroutedConnections {
  readonly #options: UnroutedOptions;
  readonly #sources = new Map<string, Set<Entry>>();
  #size = 0;
  #crowdedAt = -Infinity;

  constructor(options: UnroutedOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** Counts a connection of this source until it is disposed. `evict` must end the connection. */
  enter(source: string, evict: () => void): Disposable {
    const { max, crowdMs } = this.#options;
    const entry = { since: performance.now(), evict };
    const entries = this.#sources.get(source) ?? new Set();
    this.#sources.set(source, entries.add(entry));
    this.#size++;
    if (this.#size > max / 4) this.#crowdedAt = entry.since;
    const timer = setTimeout(() => {
      if (this.#crowdedAt >= entry.since) this.#evict(source, entry);
    }, crowdMs);
    while (this.#size > max && this.#evictOne());
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        this.#leave(source, entry);
      },
    };
  }

  /** Returns false if all connections are still in their grace period. */
  #evictOne(): boolean {
    let most = 0;
    let oldest: { source: string; entry: Entry } | undefined;
    for (const [source, entries] of this.#sources) {
      const [entry] = entries;
      const isOlder = oldest === undefined || entry!.since < oldest.entry.since;
      if (entries.size < most || (entries.size === most && !isOlder)) continue;
      most = entries.size;
      oldest = { source, entry: entry! };
    }
    if (oldest === undefined || performance.now() - oldest.entry.since < GRACE_MS) return false;
    this.#evict(oldest.source, oldest.entry);
    return true;
  }

  #evict(source: string, entry: Entry): void {
    if (this.#leave(source, entry)) entry.evict();
  }

  #leave(source: string, entry: Entry): boolean {
    const entries = this.#sources.get(source);
    if (entries === undefined || !entries.delete(entry)) return false;
    this.#size--;
    if (entries.size === 0) this.#sources.delete(source);
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
