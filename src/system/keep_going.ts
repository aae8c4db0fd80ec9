import { backoffDelay } from "../lib/backoff.ts";
import { sleep } from "./clock.ts";

/** How a loop is kept going. */
export interface KeepGoingOptions {
  /** Ends it; whoever aborts also closes what the loop waits for. */
  readonly signal: AbortSignal;
  /** Told of the first failure after a success. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Runs a loop that ends only by throwing (an accept loop, a receive loop) again and again until the signal aborts. After a failure it waits,
 * 5 ms at first, at most 1 s; the loop says by `succeeded` when it is over the trouble.
 */
export async function keepGoing(
  loop: (succeeded: () => void) => Promise<never>,
  options: KeepGoingOptions,
): Promise<void> {
  const { signal, onFailure } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await loop(() => failures = 0);
    } catch (error) {
      if (signal.aborted) return;
      if (++failures === 1) onFailure(error);
      await sleep(backoffDelay(failures, { baseMs: 5, maxMs: 1000 }), { signal }).catch(() => {});
    }
  }
}
