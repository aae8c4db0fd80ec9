import { ObjectEnd } from "./object_end.ts";
import { type ControlRequest, MAX_REQUEST_BYTES, parseRequest, undecodable } from "./protocol.ts";

/** What a request is read from. */
export interface ByteSource {
  /** Fills `buffer` from its start; gives the count, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
}

/**
 * Reads one request: it ends with its object, so that neither a newline nor a half-close is needed; what follows is ignored. Undefined if
 * the stream ends before a single byte.
 *
 * @throws {RequestError} If what comes is not a request, or too large.
 */
export async function readRequest(source: ByteSource): Promise<ControlRequest | undefined> {
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
    throw undecodable("it is not a JSON object", { cause: error });
  }
}
