/** A small random generator (mulberry32): the same seed yields the same values on every machine. */
export class SeededRandom {
  #state: number;

  /** @param seed Any integer, of which the low 32 bits count. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** One of the values, with equal chances. */
  pick<T>(values: readonly [T, ...T[]]): T {
    // Null is a possible value, so `??` would be wrong.
    return values[Math.floor(this.next() * values.length)] as T;
  }

  /** Random bytes, not for secrets. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => Math.floor(this.next() * 256));
  }
}

/**
 * Data that a test can reproduce from its seed: `byteCount` bytes, in blocks of at most 64 KiB.
 * It is a xorshift over words, so that transfer tests do not measure the generator.
 */
export function* seededBytes(byteCount: number, seed: number): Generator<Uint8Array<ArrayBuffer>> {
  let state = (seed >>> 0) || 1;
  for (let left = byteCount; left > 0; left -= 65_536) {
    const words = new Uint32Array(16_384);
    for (let index = 0; index < words.length; index++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[index] = state;
    }
    yield new Uint8Array(words.buffer, 0, Math.min(left, 65_536));
  }
}
