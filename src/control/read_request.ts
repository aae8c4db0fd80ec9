import type { ByteStream } from "../system/byte_stream.ts";
import { ObjectEnd } from "./object_end.ts";
import { type ControlRequest, MAX_REQUEST_BYTES, parseRequest, undecodable } from "./protocol.ts";

/**
 * Reads one request, which ends with its object: no newline and no half-close is needed, and
 * further bytes are ignored. Undefined if the stream ends before the first byte.
 *
 * @throws {RequestError} If the bytes are not a request, or too many.
 */
export async function readRequest(source: Pick<ByteStream, "read">): Promise<ControlRequest | undefined> {
  const buffer = new Uint8Array(MAX_REQUEST_BYTES + 1);
  const object = new ObjectEnd();
  let size = 0;
  while (size < buffer.length) {
    const count = await source.read(buffer.subarray(size));
    if (count === null) {
      if (size === 0) return undefined;
      return parseRequest(buffer.subarray(0, size));
    }
    const end = endOf(object, buffer.subarray(size, size + count));
    if (end !== undefined && size + end <= MAX_REQUEST_BYTES) {
      return parseRequest(buffer.subarray(0, size + end));
    }
    size += count;
  }
  throw undecodable(`it is larger than ${MAX_REQUEST_BYTES} bytes`);
}

function endOf(object: ObjectEnd, bytes: Uint8Array): number | undefined {
  try {
    return object.feed(bytes);
  } catch (error) {
    const reason = error instanceof RangeError ? "it is nested too deeply" : "it is not a JSON object";
    throw undecodable(reason, { cause: error });
  }
}
