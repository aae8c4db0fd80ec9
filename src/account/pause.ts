import { backoffDelay } from "../lib/backoff.ts";

const BASE_MS = 60_000;
const MAX_MS = 5 * 60_000;

/** The pause after failures in a row: one minute, then two, four and five. */
export class Pause {
  #failures = 0;
  #endsAt = -Infinity;

  /** The rest of the pause in milliseconds; 0 if it is over. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - performance.now());
  }

  /** Begins the pause, which is longer after each failure. */
  failed(): void {
    this.#failures++;
    // A tenth less, because the poll that ends it may come a tenth early.
    const delayMs = backoffDelay(this.#failures, { baseMs: BASE_MS, maxMs: MAX_MS }) * 0.9;
    this.#endsAt = performance.now() + delayMs;
  }

  /** Ends the pause; the next one is short again. */
  reset(): void {
    this.#failures = 0;
    this.#endsAt = -Infinity;
  }
}
