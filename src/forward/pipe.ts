import { abortQuietly, type ByteStream, closeQuietly } from "../system/byte_stream.ts";
import { STALLED_MS } from "./admission/unsent_bytes.ts";
import type { FirstBytes } from "./first_bytes.ts";

/** An idle connection holds two buffers of this size. */
const FIRST_BUFFER_BYTES = 16_384;
/**
 * A client that sends in bulk gets a buffer of this size; larger ones are no faster. From TLS at
 * most one record of 16 KiB comes at once (docs/runtime.md).
 */
const BUFFER_BYTES = 65_536;

/**
 * The longest silence in which a client waits for its answer, in close timeouts. If the upstream
 * has vanished without a word, nothing else ends it.
 */
export const MAX_SILENT_TIMEOUTS = 60;

/**
 * Copies in both directions until both have ended, and passes each end on as a half-close. If one
 * side breaks, or stands still for `closeTimeoutMs()` after the other has ended, the other side is
 * aborted, so that its peer does not take a part for the whole (docs/reliability.md R62). While a
 * write waits, the time is at least `STALLED_MS`, because a slow receiver looks still. Never
 * throws. Uses two loops because `pipeTo` loses the reply to a client that half-closes
 * (docs/runtime.md).
 *
 * An upstream that has taken the client's end and is silent may work on its answer: it gets as long
 * as the client is alive, but at most `MAX_SILENT_TIMEOUTS`. A client whose request was refused
 * gets the refusal when the upstream has ended or is silent.
 */
export async function pipe(local: ClientStream, upstream: ByteStream, options: PipeOptions): Promise<void> {
  const { meter, fromLocal, fromUpstream, signal } = options;
  const up = new Direction(upstream);
  const down = new Direction(local);
  let movedAt: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ending: Promise<unknown> | undefined;

  function end(): void {
    clearTimeout(timer);
    ending ??= Promise.all([up.finish(), down.finish()]);
  }
  async function isAnswerAwaited(): Promise<boolean> {
    if (!up.isWhole || down.isWriting) return false;
    return await local.isPeerAlive?.(options.closeTimeoutMs()) ?? false;
  }
  async function endIfStill(): Promise<void> {
    const isWriting = up.isWriting || down.isWriting;
    const timeoutMs = Math.max(options.closeTimeoutMs(), isWriting ? STALLED_MS : 0);
    const stillMs = performance.now() - movedAt!;
    if (stillMs < timeoutMs) timer = setTimeout(endIfStill, timeoutMs - stillMs);
    else if (stillMs < MAX_SILENT_TIMEOUTS * timeoutMs && await isAnswerAwaited()) {
      if (ending === undefined) timer = setTimeout(endIfStill, timeoutMs);
    } else {
      if (local.isRefused === true && !down.isWriting && ending === undefined) await down.endWrite();
      end();
    }
  }
  function onEnd(): void {
    if (movedAt !== undefined) return;
    movedAt = performance.now();
    timer = setTimeout(endIfStill, options.closeTimeoutMs());
  }
  function onBytesIn(count: number): void {
    meter.countIn(count);
    if (movedAt !== undefined) movedAt = performance.now();
  }
  function onBytesOut(count: number): void {
    meter.countOut(count);
    if (movedAt !== undefined) movedAt = performance.now();
  }

  /** The kernel drops what a broken receiver has not taken, but not what a closed one has not. */
  function onFailed(countNothing: () => void): void {
    if (ending === undefined) countNothing();
  }
  function onBroken(back: Direction): void {
    back.isRefused = true;
    end();
  }

  // A direction that has ended would not notice that its stream is closed.
  signal?.addEventListener("abort", end, { once: true });
  await Promise.all([
    copy(local, up, {
      initial: fromLocal,
      onWrite: (bytes) => meter.beginIn?.(bytes),
      onBytes: onBytesIn,
      onFailed: () => onFailed(() => meter.countIn(0)),
      maxBytes: BUFFER_BYTES,
      onEnd,
      onBroken: () => onBroken(down),
    }),
    copy(upstream, down, {
      initial: fromUpstream,
      onWrite: (bytes) => meter.beginOut?.(bytes),
      onBytes: onBytesOut,
      onFailed: () => onFailed(() => meter.countOut(0)),
      maxBytes: FIRST_BUFFER_BYTES,
      onEnd,
      onBroken: () => onBroken(up),
    }),
  ]);
  signal?.removeEventListener("abort", end);
  end();
  await ending;
}

/** The client's side of a pipe. */
export interface ClientStream extends ByteStream {
  /** True if a request of the client was refused: `closeWrite` sends the refusal. */
  readonly isRefused?: boolean;
}

/** Options of {@linkcode pipe}. */
export interface PipeOptions {
  readonly meter: Meter;
  /**
   * Returns the longest pause of one direction after the other has ended, and the time between two
   * checks of a client that waits for its answer.
   */
  readonly closeTimeoutMs: () => number;
  /** Ends both directions at once. */
  readonly signal?: AbortSignal;
  /** Bytes of the client that were read before; they go first. */
  readonly fromLocal?: FirstBytes;
  /** Bytes of the upstream that were read before; they go first. */
  readonly fromUpstream?: FirstBytes;
}

/** Counts the bytes of a connection while they move. */
export interface Meter {
  /** Counts bytes from the local client to the upstream. */
  countIn(bytes: number): void;
  /** Counts bytes from the upstream to the local client. */
  countOut(bytes: number): void;
  /** Notes that a write to the upstream begins. `countIn` tells its end, with 0 if it fails. */
  beginIn?(bytes: number): void;
  /** Notes that a write to the client begins. `countOut` tells its end, with 0 if it fails. */
  beginOut?(bytes: number): void;
}

interface CopyOptions {
  readonly initial: FirstBytes | undefined;
  /** Called before a write; `onBytes` tells what was written. */
  readonly onWrite: (count: number) => void;
  readonly onBytes: (count: number) => void;
  /** Called if a write fails. */
  readonly onFailed: () => void;
  /** The largest size of the buffer. */
  readonly maxBytes: number;
  /** Called if the sender has ended or the receiver takes no more; the other direction goes on. */
  readonly onEnd: () => void;
  /** Called if the sender is gone. */
  readonly onBroken: () => void;
}

/** The state of one direction. */
class Direction {
  readonly to: ByteStream;
  /** True while bytes wait for the receiver. */
  isWriting = false;
  /** True if the sender has ended and the receiver has got all of it. */
  isWhole = false;
  /** True if the receiver takes no more. */
  isRefused = false;

  constructor(to: ByteStream) {
    this.to = to;
  }

  /** Passes the sender's end on to the receiver. */
  async endWrite(): Promise<void> {
    try {
      await this.to.closeWrite();
      this.isWhole = true;
    } catch {
      // The receiver has gone meanwhile. The read of the other direction handles that.
      this.isRefused = true;
    }
  }

  /** Ends the receiver's connection; with an abort if it would take a part for the whole. */
  async finish(): Promise<void> {
    if (this.isWhole || this.isRefused) closeQuietly(this.to);
    else await abortQuietly(this.to);
  }
}

async function copy(from: ByteStream, direction: Direction, options: CopyOptions): Promise<void> {
  const { initial, onWrite, onBytes, onFailed, onEnd, onBroken, maxBytes } = options;
  const { to } = direction;
  let buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  let data = initial?.take();
  for (;;) {
    if (data !== undefined) {
      direction.isWriting = true;
      try {
        for (let done = 0; done < data.length;) {
          onWrite(data.length - done);
          const count = await to.write(done === 0 ? data : data.subarray(done));
          onBytes(count);
          done += count;
        }
      } catch {
        direction.isRefused = true;
        onFailed();
        return onEnd();
      }
      direction.isWriting = false;
      if (data === buffer && buffer.length < maxBytes) buffer = new Uint8Array(maxBytes);
      data = undefined;
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
  await direction.endWrite();
}
