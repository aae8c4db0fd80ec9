const WINDOW_MS = 10 * 60_000;
const SLOW_MS = 5 * 60_000;
const MAX_REPAIRS = 10;

/**
 * A limit on repairs of a file that another program keeps rewriting: 10 in 10 minutes, then one in
 * 5 minutes, until no repair has been needed for 10 minutes (fault F12 in scripts/faults/rows.ts).
 */
export class RepairLimit {
  readonly #now: () => number;
  #repairs: number[] = [];
  #slow = false;
  #lastAsked = -Infinity;

  /** `now` gives milliseconds that never run backwards. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns true if a repair is allowed now, and counts it. */
  take(): boolean {
    const now = this.#now();
    if (now - this.#lastAsked >= WINDOW_MS) {
      this.#slow = false;
      this.#repairs = [];
    }
    this.#lastAsked = now;
    this.#repairs = this.#repairs.filter((time) => now - time < WINDOW_MS);
    if (this.#repairs.length >= MAX_REPAIRS) this.#slow = true;
    if (this.#slow && now - (this.#repairs.at(-1) ?? -Infinity) < SLOW_MS) return false;
    this.#repairs.push(now);
    return true;
  }
}
