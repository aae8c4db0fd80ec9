/** One connection: bytes both ways, each way closed on its own. */
export interface ByteStream {
  /** Fills `buffer` from its start; gives the count, or null at the end of the stream. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Takes some of `data`; gives the count. */
  write(data: Uint8Array): Promise<number>;
  /** Ends this side's direction; the other goes on (FIN, or close_notify under TLS). */
  closeWrite(): Promise<void>;
  /** Ends both at once. A pending read rejects. */
  close(): void;
}

/** Writes all of `data`, however little the stream takes at a time. */
export async function writeAll(stream: Pick<ByteStream, "write">, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length;) done += await stream.write(data.subarray(done));
}

/** Fills `buffer`, however little comes at a time; false if the stream ends before. */
export async function readFull(stream: Pick<ByteStream, "read">, buffer: Uint8Array): Promise<boolean> {
  for (let done = 0; done < buffer.length;) {
    const count = await stream.read(buffer.subarray(done));
    if (count === null) return false;
    done += count;
  }
  return true;
}

/** Closes a stream, listener or socket, also if it is closed already. */
export function closeQuietly(thing: { close(): void }): void {
  try {
    thing.close();
  } catch {
    // Closed before, by the peer's reset or by another owner of its end.
  }
}
