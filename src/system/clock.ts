/** Options of a wait: what ends it early. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits `ms` milliseconds. Built on the global timer, so that a test can fake it.
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
    }, ms);
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
    const timer = setTimeout(() => reject(onTimeout()), ms);
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
