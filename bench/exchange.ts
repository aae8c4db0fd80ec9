/** The first four bytes of a connection, which tell the backend what to do. It sends them back. */
export type Order = "echo" | "upld" | "down";

/** An upload is a row of blocks of this size; the first byte of a block says if it is the last. */
export const BLOCK_BYTES = 262_144;

/** The first byte of the last block of an upload. */
export const LAST_BLOCK = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The four bytes of an order. */
export function encodeOrder(order: Order): Uint8Array<ArrayBuffer> {
  return encoder.encode(order);
}

/** The order in four bytes. @throws {TypeError} If they hold none. */
export function decodeOrder(bytes: Uint8Array): Order {
  const text = decoder.decode(bytes);
  if (text === "echo" || text === "upld" || text === "down") return text;
  throw new TypeError(`Cannot take the order "${text}": it is unknown`);
}

/** Finds the end of an upload, however its bytes are cut into pieces. */
export class UploadEnd {
  #position = 0;
  #last = false;

  /** Takes the next bytes; true once the last block is whole. */
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

/** Writes all of `bytes`. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}
