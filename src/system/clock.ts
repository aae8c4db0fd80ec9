/** Options of a wait: what ends it early. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

/** The longest time that a timer can take; it fires at once for a longer one. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Waits `ms` milliseconds (25 days at most). Built on the global timer, so that a test can fake it.
 *
 * @throws The signal's reason, if it aborts first.
 */
export function sleep(ms: number, options: WaitOptions = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    function onAbort(): void {
      clearTimeout(timer);
      reject(signal!.reason);
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, Math.min(ms, MAX_TIMER_MS));
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Options of {@linkcode withDeadline}. */
export interface DeadlineOptions extends WaitOptions {
  readonly ms: number;
  /** What is thrown when the time is over. */
  readonly onTimeout: () => Error;
}

/**
 * Gives the promise's result, or throws when the time is over or the signal aborts. The promise itself goes on: whoever made it closes
 * what it opened.
 *
 * @throws What `onTimeout` makes, the signal's reason, or the promise's own rejection.
 */
export async function withDeadline<T>(promise: Promise<T>, options: DeadlineOptions): Promise<T> {
  const { ms, signal, onTimeout } = options;
  if (signal?.aborted) {
    promise.catch(() => {});
    throw signal.reason;
  }
  let cancel = () => {};
  const limit = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(onTimeout()), Math.min(ms, MAX_TIMER_MS));
    const onAbort = () => reject(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    cancel = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    cancel();
  }
}

/** A signal with a time limit of its own. Disposing it lets go of the timer and of the signal that it follows. */
export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal;
  /** Whether the time was over before the followed signal aborted. */
  readonly isOver: boolean;
}

/** A signal that aborts when the time is over or when `signal` does. (`AbortSignal.any` keeps a little memory of each as long as `signal` lives.) */
export function limitTime(ms: number, options: WaitOptions = {}): TimeLimit {
  const { signal } = options;
  const own = new AbortController();
  let isOver = false;
  const timer = setTimeout(() => {
    if (own.signal.aborted) return;
    isOver = true;
    own.abort();
  }, Math.min(ms, MAX_TIMER_MS));
  const onAbort = () => own.abort(signal!.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: own.signal,
    get isOver() {
      return isOver;
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}
