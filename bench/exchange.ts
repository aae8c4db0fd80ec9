/** The first four bytes of a connection, a request to the backend. It sends them back. */
export type Order = "echo" | "upld" | "down";

/** The size of the blocks of an upload. The first byte of a block marks the last one. */
export const BLOCK_BYTES = 262_144;

/** The first byte of the last block of an upload. */
export const LAST_BLOCK = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Returns the four bytes of an order. */
export function encodeOrder(order: Order): Uint8Array<ArrayBuffer> {
  return encoder.encode(order);
}

/** Returns the order in four bytes. @throws {TypeError} If they are no order. */
export function decodeOrder(bytes: Uint8Array): Order {
  const text = decoder.decode(bytes);
  if (text === "echo" || text === "upld" || text === "down") return text;
  throw new TypeError(`Cannot take the order "${text}": it is unknown`);
}

/** Finds the end of an upload in parts of any size. */
export class UploadEnd {
  #position = 0;
  #last = false;

  /** Takes the next bytes; returns true once the last block is complete. */
  take(bytes: Uint8Array): boolean {
    const end = this.#position + bytes.length;
    const firstStart = Math.ceil(this.#position / BLOCK_BYTES) * BLOCK_BYTES;
    for (let start = firstStart; start < end; start += BLOCK_BYTES) {
      if (bytes[start - this.#position] === LAST_BLOCK) this.#last = true;
    }
    this.#position = end;
    return this.#last && end % BLOCK_BYTES === 0;
  }
}

/**
 * Reads exactly `length` bytes; returns null at the end of the stream.
 *
 * @throws {Error} If it ends in between.
 */
export async function readExactly(conn: Deno.Conn, length: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const bytes = new Uint8Array(length);
  for (let have = 0; have < length;) {
    const count = await conn.read(bytes.subarray(have));
    if (count === null) {
      if (have === 0) return null;
      throw new Error(`Cannot read ${length} bytes: the stream ended after ${have}`);
    }
    have += count;
  }
  return bytes;
}
