import { closeQuietly } from "../system/byte_stream.ts";
import type { ByteStream } from "../system/net.ts";

/** What counts the bytes of a connection while they move. */
export interface Meter {
  /** From the local client to the cloud. */
  countIn(bytes: number): void;
  /** From the cloud to the local client. */
  countOut(bytes: number): void;
}

/** Options of {@linkcode pipe}. */
export interface PipeOptions {
  readonly meter: Meter;
  /** Once one direction has ended: how long the other may stand still. */
  readonly closeTimeoutMs: number;
  /** Bytes of the client that were read before; they go first. */
  readonly fromLocal?: Uint8Array;
  /** Bytes of the cloud that were read before; they go first. */
  readonly fromCloud?: Uint8Array;
}

/** An idle connection holds two buffers of this size, ... */
const FIRST_BUFFER_BYTES = 16_384;
/** ... and one that sends in bulk one of this size: larger ones are no faster. From TLS no more than a record of 16 KiB comes at once (RUNTIME.md). */
const BUFFER_BYTES = 65_536;

/**
 * Copies both ways until both have ended, each end passed on as a half-close, and closes both streams. A reset is an ordinary end; so is
 * a side that stands still after the other has ended. Never throws. Two loops, because `pipeTo` loses the reply to a client that
 * half-closes (RUNTIME.md).
 */
export async function pipe(local: ByteStream, cloud: ByteStream, options: PipeOptions): Promise<void> {
  const { meter, closeTimeoutMs, fromLocal, fromCloud } = options;
  let halfClosed = false;
  let movedAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function close(): void {
    closeQuietly(local);
    closeQuietly(cloud);
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
    copy(local, cloud, { ...both, initial: fromLocal, onBytes: onBytesIn, maxBytes: BUFFER_BYTES }),
    copy(cloud, local, { ...both, initial: fromCloud, onBytes: onBytesOut, maxBytes: FIRST_BUFFER_BYTES }),
  ]);
  clearTimeout(timer);
  close();
}

interface CopyOptions {
  readonly initial: Uint8Array | undefined;
  readonly onBytes: (count: number) => void;
  /** What the buffer may grow to. */
  readonly maxBytes: number;
  /** The sender has ended, or the receiver takes no more; the other direction may still have something to say. */
  readonly onEnd: () => void;
  /** The sender is gone. */
  readonly onBroken: () => void;
}

async function copy(from: ByteStream, to: ByteStream, options: CopyOptions): Promise<void> {
  const { initial, onBytes, onEnd, onBroken, maxBytes } = options;
  let buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  let data = initial;
  for (;;) {
    if (data !== undefined) {
      try {
        for (let done = 0; done < data.length;) {
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
    // The receiver has gone in the meantime; the read of its own direction says so.
  }
}
