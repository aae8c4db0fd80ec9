import { latin1Text } from "../lib/latin1.ts";
import type { ByteStream } from "../system/byte_stream.ts";

/** The limit of a request's head in bytes. */
export const MAX_HEAD_BYTES: number = 16 * 1024;

const LF = 0x0a;
const CR = 0x0d;

/**
 * Reads the head of one request, up to its empty line; what follows is ignored. Each byte is read
 * once. Undefined if the stream ends before that, `too_large` above {@linkcode MAX_HEAD_BYTES}.
 */
export async function readHead(source: Pick<ByteStream, "read">): Promise<string | "too_large" | undefined> {
  const buffer = new Uint8Array(MAX_HEAD_BYTES);
  let size = 0;
  let lineStart = 0;
  let isFirst = true;
  while (size < buffer.length) {
    const count = await source.read(buffer.subarray(size));
    if (count === null) return undefined;
    const end = size + count;
    const read = buffer.subarray(0, end);
    for (let at = read.indexOf(LF, size); at >= 0; at = read.indexOf(LF, at + 1)) {
      const length = at - lineStart - (at > lineStart && buffer[at - 1] === CR ? 1 : 0);
      lineStart = at + 1;
      // An empty line before the request line is ignored (RFC 9112 2.2).
      if (length > 0) isFirst = false;
      else if (!isFirst) return latin1Text(buffer.subarray(0, at));
    }
    size = end;
  }
  return "too_large";
}
