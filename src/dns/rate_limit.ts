/** The decision about a query: answer it, refer the client to TCP, or ignore it. */
export type RateDecision = "answer" | "truncate" | "drop";

/** Answers per second and network. */
const ANSWERS_PER_SECOND = 200;

/** Empty replies per second and address of a network over its limit. */
const TRUNCATED_PER_SECOND = 50;

/**
 * A limit on UDP replies per second and /24, against floods with forged senders. Beyond it each
 * address gets some empty replies with TC, no larger than the query: real clients retry by TCP,
 * where senders cannot be forged. All other queries are ignored, which leaves the most capacity for
 * other clients.
 */
export class RateLimit {
  readonly #maxNetworks: number;
  /** The queries by network (`a.b.c`), and by address in networks over their limit. */
  readonly #counts = new Map<string, number>();
  #since = -Infinity;

  constructor(options: RateLimitOptions = {}) {
    this.#maxNetworks = options.maxNetworks ?? 65_536;
  }

  /** Counts a query from an IPv4 address. */
  count(address: string): RateDecision {
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
    if (count <= ANSWERS_PER_SECOND) return "answer";
    const own = (this.#counts.get(address) ?? 0) + 1;
    this.#counts.set(address, own);
    return own <= TRUNCATED_PER_SECOND ? "truncate" : "drop";
  }
}

/** Options of {@linkcode RateLimit}. */
export interface RateLimitOptions {
  /** The most networks that are counted; others get no reply in that second. @default {65536} */
  readonly maxNetworks?: number;
}
