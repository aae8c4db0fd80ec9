import { withDeadline } from "../system/clock.ts";
import type { ByteStream } from "../system/net.ts";

/** What a look at the first bytes of a stream gave, and all the bytes that were read for it. */
export type Peeked<T> =
  | { readonly kind: "found"; readonly found: T; readonly bytes: Uint8Array }
  /** The peer ended before it was clear. */
  | { readonly kind: "ended"; readonly bytes: Uint8Array }
  /** The time was over; a read of the stream is still pending. */
  | { readonly kind: "late"; readonly bytes: Uint8Array };

/** Options of {@linkcode peek}. */
export interface PeekOptions {
  /** For all bytes together, from the first read on, now that these have come. */
  readonly limitMs: (seen: Uint8Array) => number;
}

/** Clients that say nothing hold no more; most hellos and heads fit. */
const FIRST_BYTES = 512;

class Late extends Error {}

/**
 * Reads until `sniff` knows from the bytes so far. `sniff` must decide at some size: it is what bounds the memory.
 *
 * @throws Whatever the stream's read throws.
 */
export async function peek<T extends object>(
  stream: ByteStream,
  sniff: (bytes: Uint8Array) => T | "more",
  options: PeekOptions,
): Promise<Peeked<T>> {
  const start = performance.now();
  let buffer = new Uint8Array(FIRST_BYTES);
  let length = 0;
  const seen = (): Uint8Array => buffer.subarray(0, length);
  for (;;) {
    if (length === buffer.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(buffer);
      buffer = larger;
    }
    try {
      const reading = stream.read(buffer.subarray(length));
      const ms = Math.max(0, start + options.limitMs(seen()) - performance.now());
      const count = await withDeadline(reading, { ms, onTimeout: () => new Late() });
      if (count === null) return { kind: "ended", bytes: seen() };
      length += count;
    } catch (error) {
      if (error instanceof Late) return { kind: "late", bytes: seen() };
      throw error;
    }
    const found = sniff(seen());
    if (found !== "more") return { kind: "found", found, bytes: buffer.slice(0, length) };
  }
}
