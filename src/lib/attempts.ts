/** The running attempts, which a change of network cancels. */
export class Attempts {
  readonly #running = new Set<Running>();

  /** Begins an attempt that follows `signal`. */
  begin(signal?: AbortSignal): Attempt {
    const running: Running = { controller: new AbortController(), isCancelled: false };
    const { controller } = running;
    const onAbort = (): void => controller.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#running.add(running);
    return {
      signal: controller.signal,
      get isCancelled() {
        return running.isCancelled;
      },
      [Symbol.dispose]: () => {
        signal?.removeEventListener("abort", onAbort);
        this.#running.delete(running);
      },
    };
  }

  /** Cancels all running attempts and returns their number. */
  cancelAll(): number {
    const running = [...this.#running].filter(({ controller }) => !controller.signal.aborted);
    for (const attempt of running) {
      attempt.isCancelled = true;
      attempt.controller.abort(new DOMException("The network may have changed", "AbortError"));
    }
    return running.length;
  }
}

/** An attempt over the network. Disposing releases the signal that it follows. */
export interface Attempt extends Disposable {
  /** Aborts with the followed signal, or when the attempt is cancelled. */
  readonly signal: AbortSignal;
  /**
   * True if the attempt was cancelled by {@linkcode Attempts.cancelAll}; it can be retried at once.
   */
  readonly isCancelled: boolean;
}

interface Running {
  readonly controller: AbortController;
  isCancelled: boolean;
}
