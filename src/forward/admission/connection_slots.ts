/** Permission for one connection. Disposing it frees the slot, once. */
export type Slot = Disposable;

/** A limited number of slots for connections. */
export class ConnectionSlots {
  readonly max: number;
  /** Those who wait, by their holder. The holder whose turn is next comes first. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #inUse = 0;

  constructor(max: number) {
    this.max = max;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /**
   * Waits for a free slot. The holders take turns, so that a holder with many waiting connections
   * delays only itself; within a holder it is first come, first served.
   *
   * @throws The signal's reason, if it aborts first.
   */
  take(signal: AbortSignal, holder: string = ""): Promise<Slot> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const grant = (): void => {
        signal.removeEventListener("abort", onAbort);
        this.#inUse++;
        resolve(this.#slot());
      };
      const onAbort = (): void => {
        const waiting = this.#waiting.get(holder);
        waiting?.delete(grant);
        if (waiting?.size === 0) this.#waiting.delete(holder);
        reject(signal.reason);
      };
      if (this.#inUse < this.max) return grant();
      const waiting = this.#waiting.get(holder) ?? new Set();
      this.#waiting.set(holder, waiting.add(grant));
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #serveNext(): void {
    for (const [holder, waiting] of this.#waiting) {
      this.#waiting.delete(holder);
      const [next] = waiting;
      waiting.delete(next!);
      if (waiting.size > 0) this.#waiting.set(holder, waiting);
      return next!();
    }
  }

  #slot(): Slot {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#inUse--;
        this.#serveNext();
      },
    };
  }
}
