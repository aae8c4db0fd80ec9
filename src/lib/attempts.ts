/** One attempt over the network. Disposing lets go of the signal that it follows. */
export interface Attempt extends Disposable {
  /** Aborts when the followed signal does, or when the attempt is broken off. */
  readonly signal: AbortSignal;
  /** Whether it was broken off, and not ended by the followed signal: it says nothing, and may be made anew. */
  readonly isBrokenOff: boolean;
}

interface Running {
  readonly controller: AbortController;
  isBrokenOff: boolean;
}

/** What is being attempted over a network that may be another one at any time. */
export class Attempts {
  readonly #running = new Set<Running>();

  /** An attempt that follows the signal, if there is one. */
  begin(signal?: AbortSignal): Attempt {
    const running: Running = { controller: new AbortController(), isBrokenOff: false };
    const { controller } = running;
    const onAbort = (): void => controller.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#running.add(running);
    return {
      signal: controller.signal,
      get isBrokenOff() {
        return running.isBrokenOff;
      },
      [Symbol.dispose]: () => {
        signal?.removeEventListener("abort", onAbort);
        this.#running.delete(running);
      },
    };
  }

  /** Breaks off all that run, and gives their number; whoever makes them begins anew or gives up. */
  breakOff(): number {
    const running = [...this.#running].filter(({ controller }) => !controller.signal.aborted);
    for (const attempt of running) {
      attempt.isBrokenOff = true;
      attempt.controller.abort(new DOMException("The network may be another one", "AbortError"));
    }
    return running.length;
  }
}
