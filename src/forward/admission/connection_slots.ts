/** Permission for one connection. Disposing it frees the slot, once. */
export type Slot = Disposable;

/** A limited number of slots for connections. */
export class ConnectionSlots {
  readonly max: number;
  readonly #waiting = new Set<() => void>();
  #inUse = 0;

  constructor(max: number) {
    this.max = max;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /**
   * Waits for a free slot, first come first served.
   *
   * @throws The signal's reason, if it aborts first.
   */
  take(signal: AbortSignal): Promise<Slot> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const grant = (): void => {
        signal.removeEventListener("abort", onAbort);
        this.#inUse++;
        resolve(this.#slot());
      };
      const onAbort = (): void => {
        this.#waiting.delete(grant);
        reject(signal.reason);
      };
      if (this.#inUse < this.max) return grant();
      this.#waiting.add(grant);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #slot(): Slot {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#inUse--;
        const [next] = this.#waiting;
        if (next === undefined) return;
        this.#waiting.delete(next);
        next();
      },
    };
  }
}
