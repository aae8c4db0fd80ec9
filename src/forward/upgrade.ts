import { getLogger } from "@logtape/logtape";
import { printable } from "../lib/printable.ts";
import { type DialError, UpgradeError } from "../model/errors.ts";
import { type ByteStream, writeAll } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import {
  type ConnRequest,
  decodeConnResponse,
  encodeConnRequest,
  frameLength,
  LENGTH_BYTES,
} from "./upgrade_frame.ts";

const log = getLogger(["ngrokd", "forward"]);

/**
 * Large enough for usual responses. Bytes that follow the response and do not fit stay in the
 * connection.
 */
const FIRST_READ_BYTES = 1024;

/**
 * Asks the ingress to join the connection to an endpoint (docs/protocol.md 3.2). After a failure
 * the caller closes the stream.
 *
 * @throws {UpgradeError} If the ingress does not join it.
 * @throws The signal's reason, if it aborts first.
 */
export async function upgrade(
  stream: ByteStream,
  request: ConnRequest,
  options: UpgradeOptions,
): Promise<Upgraded> {
  const { timeoutMs, signal } = options;
  const name = `${request.host}:${request.port}`;
  const frame = encodeConnRequest(request);
  const { body, early } = await withDeadline(exchange(stream, frame, name), {
    ms: timeoutMs,
    signal,
    onTimeout: () =>
      new UpgradeError(`Cannot reach ${name}: the ingress does not answer`, {
        code: "timeout",
        hint: "If it lasts, see https://status.ngrok.com; each new connection tries again",
      }),
  });
  const { endpointId, errorCode, errorMessage, notices } = decodeConnResponse(body);
  for (const notice of notices) {
    log.debug("Notice from the ingress for {name}: {notice}", { name, notice: printable(notice) });
  }
  if (errorCode === "" && errorMessage === "") return { endpointId, early };
  const code = printable(errorCode);
  throw new UpgradeError(
    `Cannot reach ${name}: ${[code, printable(errorMessage)].filter(Boolean).join(": ")}`,
    {
      code,
      hint: /^ERR_NGROK_[0-9]+$/.test(code)
        ? `See https://ngrok.com/docs/errors/${code.toLowerCase()}`
        : undefined,
    },
  );
}

/** The response of the ingress. From now on the connection belongs to the endpoint. */
export interface Upgraded {
  /** The member of the pool that serves it; `""` if the ingress did not say. */
  readonly endpointId: string;
  /** Bytes of the endpoint that came with the response. */
  readonly early: Uint8Array;
}

/** Options of {@linkcode upgrade}. */
export interface UpgradeOptions {
  /** The time limit of the request and its response together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Codes of {@linkcode UpgradeError} without a readable response of the ingress. */
const NO_ANSWER: ReadonlySet<string> = new Set(["timeout", "closed", "malformed", "too_large"]);

/** Returns true if the ingress itself answered that it cannot reach the endpoint. */
export function isRefusal(error: DialError | UpgradeError): boolean {
  return error instanceof UpgradeError && !NO_ANSWER.has(error.code);
}

async function exchange(
  stream: ByteStream,
  frame: Uint8Array,
  name: string,
): Promise<{ body: Uint8Array; early: Uint8Array }> {
  let buffer = new Uint8Array(FIRST_READ_BYTES);
  let have = 0;
  let need: number | undefined;
  try {
    await writeAll(stream, frame);
    while (need === undefined || have < need) {
      const count = await stream.read(buffer.subarray(have));
      if (count === null) throw closedEarly(name);
      have += count;
      need ??= frameLength(buffer.subarray(0, have));
      if (need !== undefined && need > buffer.length) {
        const larger = new Uint8Array(need);
        larger.set(buffer);
        buffer = larger;
      }
    }
  } catch (error) {
    throw error instanceof UpgradeError ? error : closedEarly(name, error);
  }
  return { body: buffer.subarray(LENGTH_BYTES, need), early: buffer.slice(need, have) };
}

/**
 * Returns the error of a stream that ended early. With TLS 1.3 a refused client certificate shows
 * only here: as an alert, or as the end of the stream (docs/protocol.md 3.4).
 */
function closedEarly(name: string, cause?: unknown): UpgradeError {
  return new UpgradeError(`Cannot reach ${name}: the ingress closed the connection before it answered`, {
    code: "closed",
    cause,
    hint: "If it lasts, the ingress may refuse this certificate: ngrokctl refresh-cert --force",
  });
}
