/** The connections whose bytes the ingress does not take, counted by endpoint. */
export class StuckUploads<T extends { readonly endpoint: string }> {
  readonly #all = new Set<T>();
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#all.size;
  }

  /** The one that has been stuck the longest. */
  get first(): T | undefined {
    for (const held of this.#all) return held;
    return undefined;
  }

  /** Returns true if the endpoint has one. */
  has(endpoint: string): boolean {
    return this.#counts.has(endpoint);
  }

  add(held: T): void {
    this.#all.add(held);
    this.#counts.set(held.endpoint, (this.#counts.get(held.endpoint) ?? 0) + 1);
  }

  /** Returns false if the connection was not there. */
  remove(held: T): boolean {
    if (!this.#all.delete(held)) return false;
    const left = this.#counts.get(held.endpoint)! - 1;
    if (left === 0) this.#counts.delete(held.endpoint);
    else this.#counts.set(held.endpoint, left);
    return true;
  }
}
