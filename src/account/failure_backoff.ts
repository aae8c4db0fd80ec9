import { backoffDelay } from "../lib/backoff.ts";

const BASE_MS = 60_000;
const MAX_MS = 5 * 60_000;

/** The back-off before the next attempt: one minute, then two, four and five. */
export class FailureBackoff {
  #count = 0;
  #endsAt = -Infinity;

  /** The rest of the delay in milliseconds; 0 if it is over. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - performance.now());
  }

  /** Begins a delay that is longer than the one before. */
  extend(): void {
    this.#count++;
    // A tenth less, because the poll that ends it may come a tenth early.
    const delayMs = backoffDelay(this.#count, { baseMs: BASE_MS, maxMs: MAX_MS }) * 0.9;
    this.#endsAt = performance.now() + delayMs;
  }

  /** Ends the delay; the next one is short again. */
  reset(): void {
    this.#count = 0;
    this.#endsAt = -Infinity;
  }
}
