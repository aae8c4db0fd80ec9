import { getLogger } from "@logtape/logtape";
import { hintOf, messageOf } from "../model/errors.ts";
import { type ByteStream, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { type Connection, ConnectionServer, type Listener } from "../system/connection_server.ts";
import { isConnectionGone } from "../system/errors.ts";
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
 * The server of a control socket: one request and one response for each connection
 * (docs/compatibility.md 4.3). It accepts until it is disposed. When all connections are in use,
 * the oldest one without a whole request is closed for a new one.
 */
export class ControlServer implements AsyncDisposable {
  readonly #handler: CommandHandler;
  readonly #server: ConnectionServer<ByteStream>;

  constructor(listener: ControlListener, handler: CommandHandler) {
    this.#handler = handler;
    this.#server = new ConnectionServer(listener, {
      max: MAX_CONNECTIONS,
      serve: (stream, connection) =>
        this.#serve(stream, connection).catch((error) => {
          if (isConnectionGone(error)) return;
          log.warn("Control connection failed: {error}", { error: messageOf(error) });
        }),
      onFailure: (error) =>
        log.warn("Cannot accept on the control socket: {error}", { error: messageOf(error) }),
      stopReason: new RequestError("ngrokd is shutting down"),
    });
  }

  /** Closes the socket, aborts the running commands and waits for their end. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }

  async #serve(stream: ByteStream, connection: Connection): Promise<void> {
    const response = await this.#respond(stream, connection);
    if (response === undefined) return;
    const bytes = new TextEncoder().encode(encode(response));
    await withDeadline(writeAll(stream, bytes), {
      ms: ANSWER_TIMEOUT_MS,
      onTimeout: () => new DOMException("the client does not read the response", "TimeoutError"),
    });
  }

  async #respond(stream: ByteStream, connection: Connection): Promise<ControlResponse | undefined> {
    const { signal } = connection;
    let request: ControlRequest | undefined;
    try {
      request = await withDeadline(readRequest(stream), {
        ms: REQUEST_TIMEOUT_MS,
        signal,
        onTimeout: () => undecodable(`no complete request within ${REQUEST_TIMEOUT_MS / 1000} s`),
      });
    } catch (error) {
      if (error instanceof RequestError) return failure(error);
      throw error;
    }
    if (request === undefined) return undefined;
    connection.keep();
    try {
      return { success: true, data: await this.#run(request, signal) };
    } catch (error) {
      return failure(error);
    }
  }

  async #run({ command, args }: ControlRequest, signal: AbortSignal): Promise<unknown> {
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
export type ControlListener = Listener<ByteStream>;

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
