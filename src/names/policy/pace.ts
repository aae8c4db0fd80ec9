/** Limits how often something is done: a number of times at once, then again and again. */
export class Pace {
  readonly #options: PaceOptions;
  /** The time of the next turn, by `performance.now()`. */
  #nextMs = -Infinity;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Takes the next turn; returns the milliseconds until then. */
  take(): number {
    const { atOnce, intervalMs } = this.#options;
    const now = performance.now();
    const turnMs = Math.max(this.#nextMs, now - (atOnce - 1) * intervalMs);
    this.#nextMs = turnMs + intervalMs;
    return Math.max(0, turnMs - now);
  }
}

/** Options of {@linkcode Pace}. */
export interface PaceOptions {
  /** The turns after a long pause that need not wait. */
  readonly atOnce: number;
  /** The pause between two turns beyond those. */
  readonly intervalMs: number;
}
