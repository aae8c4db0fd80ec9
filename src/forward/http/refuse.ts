import { type ByteStream, writeAll } from "../../system/byte_stream.ts";
import { withDeadline } from "../../system/clock.ts";

/** A refusal of a request: its reason, then the next step for the user. */
export interface HttpRefusal {
  readonly status: RefusalStatus;
  readonly reason: string;
  readonly nextStep?: string | undefined;
  /** The method of the request, if it is known: a response to HEAD has no body. */
  readonly method?: string | undefined;
}

/** A status of the daemon's own responses. */
export type RefusalStatus = 400 | 403 | 408 | 421 | 431 | 502 | 503;

const PHRASES: Readonly<Record<RefusalStatus, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  408: "Request Timeout",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

/** Returns the refusal of a request that cannot be read. */
export function unreadable(reason: string, options: UnreadableOptions = {}): HttpRefusal {
  const { status = 400, nextStep } = options;
  return {
    status,
    reason: `Cannot read the request: ${reason}`,
    ...(nextStep === undefined ? {} : { nextStep }),
  };
}

/** Returns the refusal of a request of which a part did not arrive in time. */
export function lateRequest(part: "head" | "trailers", limitMs: number): HttpRefusal {
  return {
    status: 408,
    reason: `The request's ${part} did not arrive within ${limitMs / 1000} s`,
    nextStep: "Send the request again",
  };
}

/** Options of {@linkcode unreadable}. */
export interface UnreadableOptions {
  /** @default 400 */
  readonly status?: RefusalStatus;
  readonly nextStep?: string | undefined;
}

/** Returns the bytes of an HTTP response after which the connection is closed. */
export function httpResponse(refusal: HttpRefusal): Uint8Array {
  const { status, reason, nextStep, method } = refusal;
  const title = `${status} ${PHRASES[status]}`;
  const text = `ngrokd: ${title}\n\n${reason}\n${nextStep === undefined ? "" : `\n${nextStep}\n`}`;
  const body = new TextEncoder().encode(text);
  const head = [
    `HTTP/1.1 ${title}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    "Cache-Control: no-store",
    "Connection: close",
  ].join("\r\n");
  return new TextEncoder().encode(`${head}\r\n\r\n${method === "HEAD" ? "" : text}`);
}

/**
 * Writes a last response, ends this direction, and reads what the peer still sends: closing a
 * socket with unread bytes sends a reset, which can destroy the response on its way (RFC 9112 9.6).
 * The caller closes the stream. Never throws.
 */
export async function sendRefusal(
  stream: ByteStream,
  response: Uint8Array,
  options: SendRefusalOptions,
): Promise<void> {
  const done = writeAndDrain(stream, response, options);
  try {
    await withDeadline(done, {
      ms: options.lingerMs,
      onTimeout: () => new Error("Cannot linger: the time is over"),
    });
  } catch {
    // The peer is gone or does not read.
  }
}

/** Options of {@linkcode sendRefusal}. */
export interface SendRefusalOptions {
  /** The time in which the peer must read the response and close. */
  readonly lingerMs: number;
  /** False if the peer ends the connection when it has read the response. @default true */
  readonly endsFirst?: boolean | undefined;
}

async function writeAndDrain(
  stream: ByteStream,
  response: Uint8Array,
  { endsFirst = true }: SendRefusalOptions,
): Promise<void> {
  await writeAll(stream, response);
  if (endsFirst) await stream.closeWrite();
  const rest = new Uint8Array(16_384);
  while (await stream.read(rest) !== null);
}
