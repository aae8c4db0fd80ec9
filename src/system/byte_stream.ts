/** A connection whose two directions close independently. */
export interface ByteStream {
  /** Reads into `buffer` from its start; returns the count, or null at the end of the stream. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of `data`; returns the count. */
  write(data: Uint8Array): Promise<number>;
  /** Closes the sending direction only (FIN, or close_notify under TLS). */
  closeWrite(): Promise<void>;
  /** Closes both directions. A pending read rejects. */
  close(): void;
  /**
   * Closes both directions so that the peer does not take it for an orderly end. A pending read
   * rejects. Never throws. Without this method `close` has to do.
   */
  abort?(): Promise<void>;
  /**
   * Returns false if the peer is known to be gone. From the first call on, the kernel asks a peer
   * that is silent for `idleMs` milliseconds. Without this method nothing is known.
   */
  isPeerAlive?(idleMs: number): Promise<boolean>;
}

/** Writes all of `data`. */
export async function writeAll(stream: Pick<ByteStream, "write">, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length;) done += await stream.write(data.subarray(done));
}

/** Fills `buffer`; returns false if the stream ends before that. */
export async function readFull(stream: Pick<ByteStream, "read">, buffer: Uint8Array): Promise<boolean> {
  for (let done = 0; done < buffer.length;) {
    const count = await stream.read(buffer.subarray(done));
    if (count === null) return false;
    done += count;
  }
  return true;
}

/** Closes a stream, listener or socket; one that is closed already is not an error. */
export function closeQuietly(thing: { close(): void }): void {
  try {
    thing.close();
  } catch {
    // It was closed before, by a reset from the peer or by another owner.
  }
}

/** Ends a stream in a way that its peer does not take for an orderly end, if the stream can. */
export async function abortQuietly(stream: Pick<ByteStream, "abort" | "close">): Promise<void> {
  if (stream.abort === undefined) closeQuietly(stream);
  else await stream.abort();
}
