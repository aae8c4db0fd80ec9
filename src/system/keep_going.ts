import { backoffDelay } from "../lib/backoff.ts";
import { sleep } from "./clock.ts";

/**
 * Restarts a loop that ends only by throwing (accept, receive) until the signal aborts. The
 * back-off after a failure grows from 5 ms to 1 s; the loop calls `succeeded` to reset it.
 */
export async function keepGoing(
  loop: (succeeded: () => void) => Promise<never>,
  options: KeepGoingOptions,
): Promise<void> {
  const { signal, onFailure, onEachFailure } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await loop(() => failures = 0);
    } catch (error) {
      if (signal.aborted) return;
      onEachFailure?.(error);
      if (++failures === 1) onFailure(error);
      await sleep(backoffDelay(failures, { baseMs: 5, maxMs: 1000 }), { signal }).catch(() => {});
    }
  }
}

/** Options of {@linkcode keepGoing}. */
export interface KeepGoingOptions {
  /** Ends the loop. The owner of the signal also closes what the loop waits for. */
  readonly signal: AbortSignal;
  /** Called for the first failure after a success. */
  readonly onFailure: (error: unknown) => void;
  /** Called for every failure, before `onFailure`. */
  readonly onEachFailure?: (error: unknown) => void;
}
