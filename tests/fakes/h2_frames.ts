/** A frame of HTTP/2 (RFC 9113 4.1). */
export interface H2Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** Latin-1. */
  readonly payload: string;
}

/** Splits bytes into frames. */
export function h2Frames(bytes: Uint8Array): H2Frame[] {
  const frames: H2Frame[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at) >>> 8;
    const payload = new TextDecoder("latin1").decode(bytes.subarray(at + 9, at + 9 + length));
    frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, streamId: view.getUint32(at + 5), payload });
    at += 9 + length;
  }
  return frames;
}
