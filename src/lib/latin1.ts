import { Buffer } from "node:buffer";

/**
 * Returns a text of one character per byte (ISO 8859-1), in memory of its own. The decoder of the
 * runtime that is called `latin1` is windows-1252, which changes the bytes 0x80 to 0x9F
 * (https://encoding.spec.whatwg.org/#names-and-labels).
 */
export function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Returns the bytes of a text of one character per byte. */
export function latin1Bytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/**
 * Returns an equal text of one character per byte, in memory of its own. A part of a text keeps the
 * whole text in memory.
 */
export function ownText(text: string): string {
  return latin1Text(latin1Bytes(text));
}
