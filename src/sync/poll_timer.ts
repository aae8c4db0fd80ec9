import { Attempts } from "../lib/attempts.ts";
import { sleep } from "../system/clock.ts";

/** Waits between polls. A request to poll now, or a wake, ends a wait early. */
export class PollTimer {
  readonly #sleeps = new Attempts();
  #isPollRequested = false;
  #isWoken = false;
  #isRestarted = false;

  /** Waits for the next poll. `next` is called at once, and after each {@linkcode restart}. */
  async wait(next: () => NextPoll, signal: AbortSignal): Promise<void> {
    let [end, earliest] = [0, 0];
    this.#isRestarted = true;
    while (!signal.aborted && !this.#isPollRequested) {
      if (this.#isRestarted) {
        const { delayMs, notBefore } = next();
        end = performance.now() + delayMs;
        earliest = Math.min(end, notBefore);
        this.#isRestarted = false;
      }
      const ms = (this.#isWoken ? earliest : end) - performance.now();
      if (ms <= 0) return;
      using interruptible = this.#sleeps.begin(signal);
      await sleep(ms, interruptible).catch(() => {});
    }
  }

  /** Forgets earlier requests and wakes: the poll that begins now answers them. */
  reset(): void {
    this.#isPollRequested = false;
    this.#isWoken = false;
  }

  /** Ends the wait. */
  pollNow(): void {
    this.#isPollRequested = true;
    this.#sleeps.cancelAll();
  }

  /** Ends the wait as soon as the API allows a poll. */
  wake(): void {
    this.#isWoken = true;
    this.#sleeps.cancelAll();
  }

  /** Begins the wait anew after a poll that did not end it. */
  restart(): void {
    this.#isRestarted = true;
    this.#sleeps.cancelAll();
  }
}

/** The time of the next poll. */
export interface NextPoll {
  readonly delayMs: number;
  /**
   * The API wants no poll before this time, whatever wakes the loop. By `performance.now()`, which
   * no change of the date moves.
   */
  readonly notBefore: number;
}
