/**
 * Ranks things by a count that changes by one. All operations take constant time. Among equals the
 * one that has had its count the longest comes first.
 */
export class Ranking<T> {
  readonly #counts = new Map<T, number>();
  /** The things with each count, by the count. */
  readonly #levels: Set<T>[] = [];
  #top = 0;

  /** The thing with the highest count. */
  get first(): T | undefined {
    for (const thing of this.#levels[this.#top] ?? []) return thing;
    return undefined;
  }

  /** Returns the count of a thing, 0 if it was never counted. */
  countOf(thing: T): number {
    return this.#counts.get(thing) ?? 0;
  }

  /** Adds one to the count of a thing. */
  add(thing: T): void {
    this.#move(thing, this.countOf(thing) + 1);
  }

  /** Takes one from the count of a thing, and returns the rest. */
  remove(thing: T): number {
    const left = this.countOf(thing) - 1;
    this.#move(thing, left);
    return left;
  }

  #move(thing: T, count: number): void {
    this.#levels[this.countOf(thing)]?.delete(thing);
    if (count === 0) {
      this.#counts.delete(thing);
    } else {
      this.#counts.set(thing, count);
      (this.#levels[count] ??= new Set()).add(thing);
    }
    // The count of one thing has changed by one, so the highest count has, too, or none.
    if (count > this.#top) this.#top = count;
    else if (this.#top > 0 && (this.#levels[this.#top]?.size ?? 0) === 0) this.#top--;
  }
}
