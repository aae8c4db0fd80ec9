import type { ByteStream } from "../system/net.ts";

/** Writes all of `data`, however little the stream takes at a time. */
export async function writeAll(stream: ByteStream, data: Uint8Array): Promise<void> {
  let done = await stream.write(data);
  while (done < data.length) done += await stream.write(data.subarray(done));
}

/** Closes the stream, also if it is closed already. */
export function closeStream(stream: Pick<ByteStream, "close">): void {
  try {
    stream.close();
  } catch {
    // Closed before, by the peer's reset or by another owner of the connection's end.
  }
}
