import { messageOf, type WithHint } from "../model/errors.ts";
import { withDeadline } from "../system/clock.ts";
import { isConnectionGone, isNotCapable } from "../system/errors.ts";
import { localFailure } from "../system/local_socket.ts";
import type { ByteStream } from "../system/net.ts";
import { type ControlRequest, type ControlResponse, parseResponse } from "./protocol.ts";

/**
 * Why the daemon did not answer as asked. `absent`: nobody is there; `denied`: this user may not; `not_capable`: the permission set does
 * not hold the path; `unreachable`: connecting failed otherwise; `timeout`; `closed`: it hung up without an answer; `malformed` or `too_large`: its answer; `refused`: it said no.
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
export class DaemonError extends Error implements WithHint {
  override readonly name = "DaemonError";
  readonly code: DaemonFailure;
  readonly hint?: string;
  constructor(message: string, options: ErrorOptions & { code: DaemonFailure; hint?: string | undefined }) {
    super(message, options);
    this.code = options.code;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/** Options of {@linkcode callDaemon}. */
export interface CallOptions {
  readonly connect: (path: string) => Promise<ByteStream>;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** The largest answer that is read. @default {33554432} */
  readonly maxBytes?: number;
}

/** What is sent. */
export interface Call {
  readonly path: string;
  readonly request: ControlRequest;
}

/**
 * Sends one command over the control socket and gives the answer's data.
 *
 * @throws {DaemonError} With the class of the failure.
 */
export async function callDaemon({ path, request }: Call, options: CallOptions): Promise<unknown> {
  const { timeoutMs, maxBytes = 32 * 1024 * 1024 } = options;
  const timeout = `no answer in ${timeoutMs / 1000} s`;
  let stream: ByteStream | undefined;
  let over = false;
  async function exchange(): Promise<string> {
    stream = await connect(path, options);
    if (over) {
      stream.close();
      return "";
    }
    await send(stream, request);
    return await receive(stream, maxBytes);
  }
  let text: string;
  try {
    text = await withDeadline(exchange(), {
      ms: timeoutMs,
      onTimeout: () => new DaemonError(`Cannot use the daemon's answer: ${timeout}`, { code: "timeout" }),
    });
  } finally {
    over = true;
    stream?.close();
  }
  return dataOf(text);
}

async function connect(path: string, options: CallOptions): Promise<ByteStream> {
  try {
    return await options.connect(path);
  } catch (cause) {
    const [code, state, hint] = connectFailure(cause, path);
    // deno-lint-ignore ngrokd/error-message -- scripts know this text (COMPAT.md 4.11)
    throw new DaemonError(`failed to connect to daemon: ${state}`, { code, cause, hint });
  }
}

function connectFailure(error: unknown, path: string): [DaemonFailure, string, string?] {
  if (isNotCapable(error)) {
    const flags = `--allow-net=unix:${path} --allow-read=${path} --allow-write=${path}`;
    return [
      "not_capable",
      `the permission set does not hold ${path}`,
      `Start this program with these flags too: ${flags}`,
    ];
  }
  switch (localFailure(error)) {
    case "absent":
      return ["absent", `nobody answers on ${path}`];
    case "denied":
      return ["denied", `permission denied on ${path}`];
    case "other":
      return ["unreachable", messageOf(error)];
  }
}

async function send(stream: ByteStream, request: ControlRequest): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
  try {
    for (let done = 0; done < bytes.length;) done += await stream.write(bytes.subarray(done));
  } catch (error) {
    // A daemon that refuses early has answered before it closed.
    if (!isConnectionGone(error)) throw error;
  }
}

async function receive(stream: ByteStream, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  let size = 0;
  for (let count = await next(stream, buffer); count !== null; count = await next(stream, buffer)) {
    size += count;
    if (size > maxBytes) {
      throw new DaemonError(`Cannot use the daemon's answer: it is larger than ${maxBytes} bytes`, {
        code: "too_large",
      });
    }
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
    throw new DaemonError("Cannot use the daemon's answer: it closed the connection without one", {
      code: "closed",
      hint: "It may be busy or shutting down: try again",
    });
  }
  const response = parse(text);
  if (response.success) return response.data;
  throw new DaemonError(response.error || "the daemon gave no reason", {
    code: "refused",
    hint: response.hint,
  });
}

function parse(text: string): ControlResponse {
  try {
    return parseResponse(text);
  } catch (error) {
    throw new DaemonError("Cannot use the daemon's answer: it is not of the protocol", {
      code: "malformed",
      cause: error,
      hint: "Check that the socket is ngrokd's, and that both programs are of one version",
    });
  }
}
