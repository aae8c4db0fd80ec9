/** 8 MiB of heads, if each has the largest size. */
export const MAX_LARGE_HEADS = 64;

/**
 * The requests whose large heads wait in memory while their route is not known. Above their limit,
 * the source that has the most of them loses its oldest one, so that a source which begins such
 * heads and never ends them displaces only itself (docs/reliability.md R86).
 */
export class LargeHeads {
  readonly #sources = new Map<string, Set<Entry>>();
  #size = 0;

  /** Counts one of this source until it is disposed. `displace` must end the wait. */
  enter(source: string, displace: () => void): Disposable {
    const entry = { displace };
    const entries = this.#sources.get(source) ?? new Set();
    this.#sources.set(source, entries.add(entry));
    if (++this.#size > MAX_LARGE_HEADS) this.#displaceOne();
    return { [Symbol.dispose]: () => this.#leave(source, entry) };
  }

  #displaceOne(): void {
    let [most] = this.#sources;
    for (const one of this.#sources) if (one[1].size > most![1].size) most = one;
    const [source, entries] = most!;
    const [oldest] = entries;
    this.#leave(source, oldest!);
    oldest!.displace();
  }

  #leave(source: string, entry: Entry): void {
    const entries = this.#sources.get(source);
    if (entries === undefined || !entries.delete(entry)) return;
    this.#size--;
    if (entries.size === 0) this.#sources.delete(source);
  }
}

interface Entry {
  readonly displace: () => void;
}
