/** What to do with a query: answer it, say by an empty reply that TCP will be served, or nothing. */
export type Verdict = "answer" | "truncate" | "drop";

/** Options of {@linkcode RateLimit}. */
export interface RateLimitOptions {
  /** Answers per second and network. @default {200} */
  readonly perSecond?: number;
  /** How many networks are counted; those beyond get nothing in that second. @default {65536} */
  readonly maxNetworks?: number;
}

/**
 * A limit on answers per second and /24, for who forges senders to have us flood them. Beyond it a query gets an empty reply with TC, no
 * larger than itself: whoever is real comes back by TCP, where a sender cannot be forged.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #maxNetworks: number;
  readonly #counts = new Map<string, number>();
  #since = -Infinity;

  constructor(options: RateLimitOptions = {}) {
    const { perSecond = 200, maxNetworks = 65_536 } = options;
    this.#perSecond = perSecond;
    this.#maxNetworks = maxNetworks;
  }

  /** Counts a query from this IPv4 address. */
  count(address: string): Verdict {
    const now = performance.now();
    if (now - this.#since >= 1000) {
      this.#counts.clear();
      this.#since = now;
    }
    const network = address.slice(0, address.lastIndexOf("."));
    const before = this.#counts.get(network);
    if (before === undefined && this.#counts.size >= this.#maxNetworks) return "drop";
    const count = (before ?? 0) + 1;
    this.#counts.set(network, count);
    return count <= this.#perSecond ? "answer" : "truncate";
  }
}
