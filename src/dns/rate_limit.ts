/** What to do with a query: answer it, say by an empty reply that TCP will be served, or nothing. */
export type Verdict = "answer" | "truncate" | "drop";

/** Empty replies per second and address of a network that is over its limit. */
const TRUNCATED_PER_SECOND = 50;

/** Options of {@linkcode RateLimit}. */
export interface RateLimitOptions {
  /** Answers per second and network. @default {200} */
  readonly perSecond?: number;
  /** How many networks are counted; those beyond get nothing in that second. @default {65536} */
  readonly maxNetworks?: number;
}

/**
 * A limit on answers per second and /24, for who forges senders to have us flood them. Beyond it each address
 * gets some empty replies with TC, no larger than the query: whoever is real comes back by TCP, where a sender cannot be forged. The rest is
 * silence, which costs least: what is saved on a flood is there for the others.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #maxNetworks: number;
  /** By network (`a.b.c`), and by address for those of a network that is over its limit. */
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
    if (count <= this.#perSecond) return "answer";
    const own = (this.#counts.get(address) ?? 0) + 1;
    this.#counts.set(address, own);
    return own <= TRUNCATED_PER_SECOND ? "truncate" : "drop";
  }
}
