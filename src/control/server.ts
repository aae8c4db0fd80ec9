import { getLogger } from "@logtape/logtape";
import { hintOf, messageOf } from "../model/errors.ts";
import { closeQuietly, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { isConnectionGone } from "../system/errors.ts";
import { keepGoing } from "../system/keep_going.ts";
import type { ByteStream } from "../system/net.ts";
import {
  ANSWER_TIMEOUT_MS,
  COMMAND_TIMEOUT_MS,
  type ControlRequest,
  type ControlResponse,
  MAX_CONNECTIONS,
  REQUEST_TIMEOUT_MS,
  RequestError,
  undecodable,
} from "./protocol.ts";
import { readRequest } from "./read_request.ts";

const log = getLogger(["ngrokd", "control"]);
/** At most one warning in this time: without descriptors, one that comes free at times makes each failure the first of a row. */
const QUIET_MS = 10_000;

/** What the server listens on; the server owns it. */
export interface ControlListener {
  accept(): Promise<ByteStream>;
  close(): void;
}

/** What the daemon does for a command. What it throws is the client's error text. */
export interface CommandHandler {
  handle(command: string, args: readonly string[], signal: AbortSignal): Promise<unknown>;
}

/** The control socket's server: one request and one answer per connection (COMPAT.md 4.3). It accepts until it is disposed. */
export class ControlServer implements AsyncDisposable {
  readonly #listener: ControlListener;
  readonly #handler: CommandHandler;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  constructor(listener: ControlListener, handler: CommandHandler) {
    this.#listener = listener;
    this.#handler = handler;
    this.#accepting = this.#acceptAll();
  }

  /** Closes the socket, ends what runs and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(new RequestError("ngrokd is shutting down"));
      this.#listener.close();
    }
    await this.#accepting;
    await Promise.all(this.#running);
  }

  /** Descriptors run out and come back; a loop that ends here would leave a daemon that nobody can command. */
  #acceptAll(): Promise<void> {
    const accept = async (succeeded: () => void): Promise<never> => {
      for (;;) {
        this.#admit(await this.#listener.accept());
        succeeded();
      }
    };
    let warnedAt = -Infinity;
    return keepGoing(accept, {
      signal: this.#stop.signal,
      onFailure(error) {
        if (performance.now() - warnedAt < QUIET_MS) return;
        warnedAt = performance.now();
        log.warn("Cannot accept on the control socket: {reason}", { reason: messageOf(error) });
      },
    });
  }

  #admit(stream: ByteStream): void {
    if (this.#stop.signal.aborted || this.#running.size >= MAX_CONNECTIONS) return closeQuietly(stream);
    const task = this.#serve(stream).catch((error) => {
      if (!isConnectionGone(error)) {
        log.warn("A control connection failed: {reason}", { reason: messageOf(error) });
      }
    }).finally(() => {
      closeQuietly(stream);
      this.#running.delete(task);
    });
    this.#running.add(task);
  }

  async #serve(stream: ByteStream): Promise<void> {
    const response = await this.#respond(stream);
    if (response === undefined) return;
    const bytes = new TextEncoder().encode(encode(response));
    await withDeadline(writeAll(stream, bytes), {
      ms: ANSWER_TIMEOUT_MS,
      onTimeout: () => new DOMException("the client does not read its answer", "TimeoutError"),
    });
  }

  async #respond(stream: ByteStream): Promise<ControlResponse | undefined> {
    let request: ControlRequest | undefined;
    try {
      request = await withDeadline(readRequest(stream), {
        ms: REQUEST_TIMEOUT_MS,
        signal: this.#stop.signal,
        onTimeout: () => undecodable(`no whole request in ${REQUEST_TIMEOUT_MS / 1000} s`),
      });
    } catch (error) {
      if (error instanceof RequestError) return failure(error);
      throw error;
    }
    if (request === undefined) return undefined;
    try {
      return { success: true, data: await this.#run(request) };
    } catch (error) {
      return failure(error);
    }
  }

  async #run({ command, args }: ControlRequest): Promise<unknown> {
    const { signal } = this.#stop;
    const over = new AbortController();
    try {
      return await withDeadline(
        Promise.try(() => this.#handler.handle(command, args, AbortSignal.any([signal, over.signal]))),
        {
          ms: COMMAND_TIMEOUT_MS,
          signal,
          onTimeout: () =>
            new RequestError(`Cannot finish ${command}: no result in ${COMMAND_TIMEOUT_MS / 1000} s`),
        },
      );
    } finally {
      over.abort();
    }
  }
}

function failure(error: unknown): ControlResponse {
  const hint = error instanceof RequestError ? error.hint : hintOf(error);
  return { success: false, error: messageOf(error), ...(hint !== undefined && { hint }) };
}

/** One line. An answer without data has no such field, and one that is not JSON (a defect) is an error like any other. */
function encode(response: ControlResponse): string {
  try {
    return `${JSON.stringify(response)}\n`;
  } catch (error) {
    return `${JSON.stringify({ success: false, error: `failed to encode response: ${messageOf(error)}` })}\n`;
  }
}
