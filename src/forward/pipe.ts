import { type ByteStream, closeQuietly } from "../system/byte_stream.ts";

/** An idle connection holds two buffers of this size. */
const FIRST_BUFFER_BYTES = 16_384;
/**
 * A client that sends in bulk gets a buffer of this size; larger ones are no faster. From TLS at
 * most one record of 16 KiB comes at once (docs/runtime.md).
 */
const BUFFER_BYTES = 65_536;

/**
 * Copies in both directions until both have ended, passes each end on as a half-close, and closes
 * both streams. A reset is an ordinary end, and so is a pause of `closeTimeoutMs` after the other
 * side has ended. Never throws. Uses two loops because `pipeTo` loses the reply to a client that
 * half-closes (docs/runtime.md).
 */
export async function pipe(local: ByteStream, upstream: ByteStream, options: PipeOptions): Promise<void> {
  const { meter, closeTimeoutMs, fromLocal, fromUpstream } = options;
  let halfClosed = false;
  let movedAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function close(): void {
    closeQuietly(local);
    closeQuietly(upstream);
  }
  function closeIfStill(): void {
    const leftMs = movedAt + closeTimeoutMs - performance.now();
    if (leftMs <= 0) close();
    else timer = setTimeout(closeIfStill, leftMs);
  }
  function onEnd(): void {
    if (halfClosed) return;
    halfClosed = true;
    movedAt = performance.now();
    closeIfStill();
  }
  function onBytesIn(count: number): void {
    meter.countIn(count);
    if (halfClosed) movedAt = performance.now();
  }
  function onBytesOut(count: number): void {
    meter.countOut(count);
    if (halfClosed) movedAt = performance.now();
  }

  const both = { onEnd, onBroken: close };
  await Promise.all([
    copy(local, upstream, {
      ...both,
      initial: fromLocal,
      onWrite: (bytes) => meter.beginIn?.(bytes),
      onBytes: onBytesIn,
      maxBytes: BUFFER_BYTES,
    }),
    copy(upstream, local, {
      ...both,
      initial: fromUpstream,
      onWrite: (bytes) => meter.beginOut?.(bytes),
      onBytes: onBytesOut,
      maxBytes: FIRST_BUFFER_BYTES,
    }),
  ]);
  clearTimeout(timer);
  close();
}

/** Options of {@linkcode pipe}. */
export interface PipeOptions {
  readonly meter: Meter;
  /** The longest pause of one direction after the other has ended. */
  readonly closeTimeoutMs: number;
  /** Bytes of the client that were read before; they go first. */
  readonly fromLocal?: Uint8Array | undefined;
  /** Bytes of the upstream that were read before; they go first. */
  readonly fromUpstream?: Uint8Array | undefined;
}

/** Counts the bytes of a connection while they move. */
export interface Meter {
  /** Counts bytes from the local client to the upstream. */
  countIn(bytes: number): void;
  /** Counts bytes from the upstream to the local client. */
  countOut(bytes: number): void;
  /** Notes that a write of bytes to the upstream begins; `countIn` tells its end. */
  beginIn?(bytes: number): void;
  /** Notes that a write of bytes to the local client begins; `countOut` tells its end. */
  beginOut?(bytes: number): void;
}

interface CopyOptions {
  readonly initial: Uint8Array | undefined;
  /** Called before a write; `onBytes` tells what was written. */
  readonly onWrite: (count: number) => void;
  readonly onBytes: (count: number) => void;
  /** The largest size of the buffer. */
  readonly maxBytes: number;
  /** Called if the sender has ended or the receiver takes no more; the other direction goes on. */
  readonly onEnd: () => void;
  /** Called if the sender is gone. */
  readonly onBroken: () => void;
}

async function copy(from: ByteStream, to: ByteStream, options: CopyOptions): Promise<void> {
  const { initial, onWrite, onBytes, onEnd, onBroken, maxBytes } = options;
  let buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  let data = initial;
  for (;;) {
    if (data !== undefined) {
      try {
        for (let done = 0; done < data.length;) {
          onWrite(data.length - done);
          const count = await to.write(done === 0 ? data : data.subarray(done));
          onBytes(count);
          done += count;
        }
      } catch {
        return onEnd();
      }
      if (data === buffer && buffer.length < maxBytes) buffer = new Uint8Array(maxBytes);
    }
    let count: number | null;
    try {
      count = await from.read(buffer);
    } catch {
      return onBroken();
    }
    if (count === null) break;
    data = count === buffer.length ? buffer : buffer.subarray(0, count);
  }
  onEnd();
  try {
    await to.closeWrite();
  } catch {
    // The receiver has gone meanwhile. The read of the other direction handles that.
  }
}
