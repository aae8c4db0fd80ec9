import { Buffer } from "node:buffer";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { type ByteStream, closeQuietly, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { ConnectionServer, type Listener } from "../system/connection_server.ts";
import { isConnectionGone } from "../system/errors.ts";
import type { AcceptedStream } from "../system/tcp.ts";
import { encodeBody, type EncodedResponse, encodeHead, type Status } from "./encode_response.ts";
import { checkRequest, type GuardedRequest, type Refusal } from "./guard.ts";
import type { HealthAnswers } from "./health_answers.ts";
import { parseRequest } from "./parse_request.ts";
import { MAX_HEAD_BYTES, readHead } from "./read_head.ts";

const log = getLogger(["ngrokd", "web"]);

/** The connections that are served at once. */
export const MAX_CONNECTIONS = 64;
/** The time for a request to arrive, and the time for its response to be read. */
const EXCHANGE_MS = 5_000;
/** The time and the bytes in which a client ends a connection after its response. */
const LINGER_MS = 1_000;
const MAX_LINGER_BYTES = 4 * 1024 * 1024;
/** The bytes of a body that are sent with the head, so that a short response is one packet. */
const FIRST_BYTES = 1024;

/**
 * Serves the health paths (docs/compatibility.md 4.4) over a listener until it is disposed: one
 * GET or HEAD for each connection.
 */
export function serveHealth(
  listener: Listener<AcceptedStream>,
  options: HealthServerOptions,
): ConnectionServer<AcceptedStream> {
  const { admit, onFailure, onEachFailure } = options;
  return new ConnectionServer(listener, {
    max: MAX_CONNECTIONS,
    admit: (stream) => admit(stream.peer),
    sourceOf: (stream) => stream.peer,
    async serve(stream, { signal }) {
      const end = () => closeQuietly(stream);
      signal.addEventListener("abort", end, { once: true });
      try {
        await exchange(stream, options);
      } catch (error) {
        if (isConnectionGone(error) || isTimeout(error)) return;
        log.warn("A health request failed: {error}", { error: messageOf(error) });
      } finally {
        signal.removeEventListener("abort", end);
      }
    },
    onFailure,
    onEachFailure,
  });
}

/** Options of {@linkcode serveHealth}. */
export interface HealthServerOptions {
  /** The address that the listener is bound to. */
  readonly address: string;
  readonly answers: Pick<HealthAnswers, "find">;
  /** Returns true if a peer may connect. */
  readonly admit: (peer: string) => boolean;
  /** The names that a Host header may have, besides addresses and localhost. */
  readonly hostNames: () => readonly string[];
  /** Called when accepting fails, at most every ten seconds, for a log. */
  readonly onFailure: (error: unknown) => void;
  /** Called for every failure. */
  readonly onEachFailure: (error: unknown) => void;
}

async function exchange(stream: ByteStream, options: HealthServerOptions): Promise<void> {
  const head = await within(EXCHANGE_MS, readHead(stream));
  if (head === undefined) return;
  const request: GuardedRequest | Refusal = head === "too_large"
    ? { status: 431, reason: `the head is larger than ${MAX_HEAD_BYTES} bytes` }
    : parseRequest(head, options.address);
  const response = respond(request, options);
  const isHead = "method" in request && request.method === "HEAD";
  await within(EXCHANGE_MS, send(stream, response, { isHead }));
  await stream.closeWrite();
  // Closing with unread bytes would reset the connection and destroy the response.
  await within(LINGER_MS, discard(stream));
}

async function send(
  stream: ByteStream,
  response: EncodedResponse,
  { isHead }: { readonly isHead: boolean },
): Promise<void> {
  const head = encodeHead(response);
  const { content } = response;
  if (isHead) return await writeAll(stream, head);
  const first = content.subarray(0, FIRST_BYTES);
  await writeAll(stream, Buffer.concat([head, first]));
  await writeAll(stream, content.subarray(first.length));
}

function respond(request: GuardedRequest | Refusal, options: HealthServerOptions): EncodedResponse {
  const { address, hostNames, answers } = options;
  if ("status" in request) return text(request);
  const refusal = checkRequest(request, { address, hostNames: hostNames() });
  if (refusal !== undefined) return text(refusal);
  try {
    const json = request.headers.get("accept")?.includes("application/json") ?? false;
    return answers.find(new URL(request.url).pathname, json);
  } catch (error) {
    log.error("Cannot report the health: {error}", { error: messageOf(error) });
    return text({ status: 500, reason: "internal error" });
  }
}

function text({ status, reason }: { status: Status; reason: string }): EncodedResponse {
  return encodeBody({ status, contentType: "text/plain; charset=utf-8", body: `${reason}\n` });
}

async function discard(stream: ByteStream): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  for (let size = 0; size < MAX_LINGER_BYTES;) {
    const count = await stream.read(buffer);
    if (count === null) return;
    size += count;
  }
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return withDeadline(promise, { ms, onTimeout: () => new DOMException("too slow", "TimeoutError") });
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}
