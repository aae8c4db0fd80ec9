/** Remembers the last value, so that a lasting problem is logged once until it changes. */
export class OnChange {
  #last: string | undefined;

  /** Calls `log` if `value` is not undefined and differs from the value of the last call. */
  report(value: string | undefined, log: (value: string) => void): void {
    const isNew = value !== undefined && value !== this.#last;
    this.#last = value;
    if (isNew) log(value);
  }
}
