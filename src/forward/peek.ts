import type { ByteStream } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";

/** Large enough for most hellos and heads. A silent client holds no more. */
const FIRST_BYTES = 512;

/**
 * Reads until `sniff` finds something in the bytes so far. `sniff` must decide at some size, which
 * limits the memory.
 *
 * @throws Whatever the stream's read throws.
 */
export async function peek<T extends object>(
  stream: ByteStream,
  sniff: (bytes: Uint8Array) => T | "more",
  options: PeekOptions,
): Promise<Peeked<T>> {
  const { limitMs, stop, initial = new Uint8Array(0) } = options;
  const start = performance.now();
  let buffer = new Uint8Array(Math.max(FIRST_BYTES, initial.length));
  buffer.set(initial);
  let { length } = initial;
  const seen = (): Uint8Array => buffer.subarray(0, length);
  for (;;) {
    const found = length === 0 ? "more" : sniff(seen());
    if (found !== "more") return { kind: "found", found, bytes: buffer.slice(0, length) };
    if (length === buffer.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(buffer);
      buffer = larger;
    }
    try {
      const reading = stream.read(buffer.subarray(length));
      const ms = Math.max(0, start + limitMs(seen()) - performance.now());
      const count = await withDeadline(reading, { ms, signal: stop?.(), onTimeout: () => new Late() });
      if (count === null) return { kind: "ended", bytes: seen() };
      length += count;
    } catch (error) {
      if (error instanceof Late) return { kind: "late", bytes: seen() };
      if (stop?.()?.aborted) return { kind: "stopped", bytes: seen() };
      throw error;
    }
  }
}

/** Options of {@linkcode peek}. */
export interface PeekOptions {
  /** The time limit from the first read to the last, which depends on the bytes so far. */
  readonly limitMs: (seen: Uint8Array) => number;
  /** Returns the signal that ends the next read, if one does. */
  readonly stop?: () => AbortSignal | undefined;
  /** Bytes that were read before. @default None */
  readonly initial?: Uint8Array;
}

/** The result of {@linkcode peek}, and all bytes that it read. */
export type Peeked<T> =
  | { readonly kind: "found"; readonly found: T; readonly bytes: Uint8Array }
  /** The peer ended before anything was found. */
  | { readonly kind: "ended"; readonly bytes: Uint8Array }
  /** The time limit is over; a read of the stream is still pending. */
  | { readonly kind: "late"; readonly bytes: Uint8Array }
  /** The signal has aborted; a read of the stream is still pending. */
  | { readonly kind: "stopped"; readonly bytes: Uint8Array };

class Late extends Error {}
