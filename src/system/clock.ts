/** The longest delay of a timer. A longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Waits `ms` milliseconds, at most 24.8 days. It uses the global timer, so that tests can fake it.
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

/** Options of a function that waits. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the promise's result, or throws at the deadline or when the signal aborts. The promise
 * keeps running; its owner closes what it opens.
 *
 * @throws The error from `onTimeout`, the signal's reason, or the promise's rejection.
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

/**
 * Returns the promise's result, or throws the signal's reason when it aborts. The promise keeps
 * running.
 */
export async function untilAborted<T>(promise: Promise<T>, { signal }: WaitOptions): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    promise.catch(() => {});
  }
}

/** Options of {@linkcode withDeadline}. */
export interface DeadlineOptions extends WaitOptions {
  readonly ms: number;
  /** Makes the error that is thrown at the deadline. */
  readonly onTimeout: () => Error;
}

/**
 * Makes a signal that aborts after `ms` milliseconds or with `signal`. `AbortSignal.any` would keep
 * memory for each call as long as `signal` lives.
 */
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

/** A signal with a time limit. Disposing it releases the timer and the signal that it follows. */
export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal;
  /** True if the time limit came before the followed signal aborted. */
  readonly isOver: boolean;
}
