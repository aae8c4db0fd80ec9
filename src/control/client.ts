import { HintedError, type HintOptions, messageOf } from "../model/errors.ts";
import { type ByteStream, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { isConnectionGone, isNotCapable } from "../system/errors.ts";
import { localFailure } from "../system/local_socket.ts";
import { type ControlRequest, type ControlResponse, parseResponse } from "./protocol.ts";

const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/**
 * Sends one command over the control socket and returns the data of the response.
 *
 * @throws {DaemonError} If there is no response, or the daemon refuses.
 */
export async function callDaemon({ path, request }: Call, options: CallOptions): Promise<unknown> {
  const { timeoutMs } = options;
  let stream: ByteStream | undefined;
  let over = false;
  async function exchange(): Promise<string> {
    stream = await connect(path, options);
    if (over) {
      stream.close();
      return "";
    }
    await send(stream, request);
    return await receive(stream);
  }
  let text: string;
  try {
    text = await withDeadline(exchange(), {
      ms: timeoutMs,
      onTimeout: () =>
        new DaemonError(`No response from the daemon within ${timeoutMs / 1000} s`, { code: "timeout" }),
    });
  } finally {
    over = true;
    stream?.close();
  }
  return dataOf(text);
}

/** A command, and the socket of its daemon. */
export interface Call {
  readonly path: string;
  readonly request: ControlRequest;
}

/** Options of {@linkcode callDaemon}. */
export interface CallOptions {
  readonly connect: (path: string) => Promise<ByteStream>;
  /** The time limit of the whole exchange. */
  readonly timeoutMs: number;
}

/**
 * A reason that a command failed. `absent`: no daemon listens; `denied`: this user may not connect;
 * `not_capable`: the permission set does not include the path; `unreachable`: another failure to
 * connect; `timeout`; `closed`: no response; `malformed` and `too_large`: a bad response;
 * `refused`: by the daemon.
 */
export type DaemonFailure =
  | "absent"
  | "denied"
  | "not_capable"
  | "unreachable"
  | "timeout"
  | "closed"
  | "malformed"
  | "too_large"
  | "refused";

/** A command did not reach the daemon, or the daemon refused it. */
export class DaemonError extends HintedError {
  override readonly name = "DaemonError";
  readonly code: DaemonFailure;
  constructor(message: string, options: HintOptions & { code: DaemonFailure }) {
    super(message, options);
    this.code = options.code;
  }
}

async function connect(path: string, options: CallOptions): Promise<ByteStream> {
  try {
    return await options.connect(path);
  } catch (cause) {
    const [code, state, hint] = connectFailure(cause, path);
    // deno-lint-ignore ngrokd/error-message -- scripts know this text (docs/compatibility.md 4.11)
    throw new DaemonError(`failed to connect to daemon: ${state}`, { code, cause, hint });
  }
}

function connectFailure(error: unknown, path: string): [DaemonFailure, string, string?] {
  if (isNotCapable(error)) {
    const flags = `--allow-net=unix:${path} --allow-read=${path} --allow-write=${path}`;
    return [
      "not_capable",
      `the permission set does not include ${path}`,
      `In the directory of ngrokd, run: deno run -P=ngrokctl ${flags} --no-prompt ctl.ts --socket=${path} status`,
    ];
  }
  switch (localFailure(error)) {
    case "absent":
      return ["absent", `nothing listens on ${path}`];
    case "denied":
      return ["denied", `permission denied on ${path}`];
    case "other":
      return ["unreachable", messageOf(error)];
  }
}

async function send(stream: ByteStream, request: ControlRequest): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
  try {
    await writeAll(stream, bytes);
  } catch (error) {
    // A daemon that refuses early answers and closes before it has read everything.
    if (!isConnectionGone(error)) throw error;
  }
}

async function receive(stream: ByteStream): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  let size = 0;
  for (let count = await next(stream, buffer); count !== null; count = await next(stream, buffer)) {
    size += count;
    if (size > MAX_ANSWER_BYTES) throw unreadable("too_large", `larger than ${MAX_ANSWER_BYTES} bytes`);
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text + decoder.decode();
}

async function next(stream: ByteStream, buffer: Uint8Array): Promise<number | null> {
  try {
    return await stream.read(buffer);
  } catch (error) {
    if (isConnectionGone(error)) return null;
    throw error;
  }
}

function dataOf(text: string): unknown {
  if (text === "") {
    const hint = "The daemon may be busy or shutting down: try again";
    throw new DaemonError("The daemon closed the connection without a response", { code: "closed", hint });
  }
  const response = parse(text);
  if (response.success) return response.data;
  const { error, hint } = response;
  throw new DaemonError(error || "the daemon gave no reason", { code: "refused", hint });
}

function parse(text: string): ControlResponse {
  try {
    return parseResponse(text);
  } catch (cause) {
    throw unreadable("malformed", "not in the form of the protocol", {
      cause,
      hint: "Check that ngrokd listens on the socket, in the same version as ngrokctl",
    });
  }
}

function unreadable(
  code: DaemonFailure,
  state: string,
  options: ErrorOptions & { hint?: string } = {},
): DaemonError {
  return new DaemonError(`Cannot read the response of the daemon: ${state}`, { ...options, code });
}
