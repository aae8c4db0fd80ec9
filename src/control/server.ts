import { getLogger } from "@logtape/logtape";
import { hintOf, messageOf } from "../model/errors.ts";
import { type ByteStream, closeQuietly, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { isConnectionGone } from "../system/errors.ts";
import { keepGoing } from "../system/keep_going.ts";
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
/**
 * The pause between two warnings. If descriptors run out and single ones become free, every failure
 * is the first.
 */
const WARNING_PAUSE_MS = 10_000;

/**
 * The server of the control socket: one request and one response for each connection
 * (docs/compatibility.md 4.3). It accepts until it is disposed.
 */
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

  /** Closes the socket, aborts the running commands and waits for their end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(new RequestError("ngrokd is shutting down"));
      this.#listener.close();
    }
    await this.#accepting;
    await Promise.all(this.#running);
  }

  /** Continues after failures: descriptors that have run out become free again. */
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
        if (performance.now() - warnedAt < WARNING_PAUSE_MS) return;
        warnedAt = performance.now();
        log.warn("Cannot accept on the control socket: {error}", { error: messageOf(error) });
      },
    });
  }

  #admit(stream: ByteStream): void {
    if (this.#stop.signal.aborted || this.#running.size >= MAX_CONNECTIONS) return closeQuietly(stream);
    const task = this.#serve(stream).catch((error) => {
      if (!isConnectionGone(error)) {
        log.warn("Control connection failed: {error}", { error: messageOf(error) });
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
      onTimeout: () => new DOMException("the client does not read the response", "TimeoutError"),
    });
  }

  async #respond(stream: ByteStream): Promise<ControlResponse | undefined> {
    let request: ControlRequest | undefined;
    try {
      request = await withDeadline(readRequest(stream), {
        ms: REQUEST_TIMEOUT_MS,
        signal: this.#stop.signal,
        onTimeout: () => undecodable(`no complete request within ${REQUEST_TIMEOUT_MS / 1000} s`),
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
            new RequestError(`Cannot finish ${command}: no result within ${COMMAND_TIMEOUT_MS / 1000} s`),
        },
      );
    } finally {
      over.abort();
    }
  }
}

/** A listener that the server owns. */
export interface ControlListener {
  accept(): Promise<ByteStream>;
  close(): void;
}

/** Runs the commands. The message of an error that it throws goes to the client. */
export interface CommandHandler {
  handle(command: string, args: readonly string[], signal: AbortSignal): Promise<unknown>;
}

function failure(error: unknown): ControlResponse {
  const hint = hintOf(error);
  return { success: false, error: messageOf(error), ...(hint !== undefined && { hint }) };
}

/** Encodes the response as one line; data that JSON cannot express becomes an error. */
function encode(response: ControlResponse): string {
  try {
    return `${JSON.stringify(response)}\n`;
  } catch (error) {
    return `${JSON.stringify({ success: false, error: `failed to encode response: ${messageOf(error)}` })}\n`;
  }
}
