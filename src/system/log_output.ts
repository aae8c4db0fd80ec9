import { getLogger } from "@logtape/logtape";
import { sleep } from "./clock.ts";

const log = getLogger(["ngrokd", "system"]);

const MAX_QUEUED_BYTES = 1024 * 1024;

/**
 * Writes log lines to a stream that may not be read: a stopped terminal, a full pipe. Lines wait in
 * a queue of at most 1 MiB, and lines beyond it are dropped and counted, so that the log never
 * blocks the program. The price: SIGKILL loses the lines of the last turn of the event loop.
 */
export class LogOutput {
  readonly #stream: LogStream;
  readonly #maxBytes: number;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  /** True while the notice about dropped lines is queued, which must not be dropped itself. */
  #isReporting = false;
  #writing: Promise<void> | undefined;

  constructor(stream: LogStream, options: { readonly maxBytes?: number } = {}) {
    this.#stream = stream;
    this.#maxBytes = options.maxBytes ?? MAX_QUEUED_BYTES;
  }

  /** Queues a line, or drops it if the queue is full. Never throws. */
  write(line: string): void {
    const bytes = new TextEncoder().encode(line);
    if (this.#queuedBytes + bytes.length > this.#maxBytes && !this.#isReporting) {
      this.#dropped++;
      return;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#writing ??= this.#writeQueue();
  }

  /** Waits until all queued lines are written, at most `limitMs` milliseconds. */
  async flush(limitMs: number): Promise<void> {
    if (this.#writing === undefined) return;
    const stop = new AbortController();
    await Promise.race([this.#writing, sleep(limitMs, { signal: stop.signal }).catch(() => {})]);
    stop.abort();
  }

  async #writeQueue(): Promise<void> {
    // The lines of one turn of the event loop go out in one write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const bytes = join(this.#queue);
      this.#queue = [];
      await this.#writeAll(bytes);
      this.#queuedBytes -= bytes.length;
      if (this.#dropped > 0) this.#reportDropped();
    }
    this.#writing = undefined;
  }

  #reportDropped(): void {
    const count = this.#dropped;
    this.#dropped = 0;
    this.#isReporting = true;
    // As an error, because the lines may have been errors, and `log_level` may hide the rest.
    log.error("Dropped {count} log lines, because nobody read the log", { count });
    this.#isReporting = false;
  }

  async #writeAll(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) done += await this.#stream.write(bytes.subarray(done));
    } catch {
      // A full disk or a closed pipe must not stop the program, and there is no other place to
      // report it.
    }
  }
}

/** The stream of a {@linkcode LogOutput}. */
export interface LogStream {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
}

/** Makes the output of log lines to standard output. */
export function openLogOutput(): LogOutput {
  return new LogOutput(Deno.stdout);
}

function join(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
