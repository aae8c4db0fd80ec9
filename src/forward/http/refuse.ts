import { writeAll } from "../../system/byte_stream.ts";
import { withDeadline } from "../../system/clock.ts";
import type { ByteStream } from "../../system/net.ts";

/** The statuses that the daemon itself answers with. */
export type RefusalStatus = 400 | 408 | 421 | 431 | 502;

const PHRASES: Readonly<Record<RefusalStatus, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  502: "Bad Gateway",
};

/** What an HTTP refusal says: what is wrong, then what to do. */
export interface HttpRefusal {
  readonly status: RefusalStatus;
  readonly reason: string;
  readonly nextStep?: string | undefined;
  /** Of the request, if it is known: an answer to HEAD has no body. */
  readonly method?: string | undefined;
}

/** The bytes of an HTTP answer after which the connection is closed. */
export function httpAnswer(refusal: HttpRefusal): Uint8Array {
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

/** The bytes of a fatal TLS alert (RFC 8446 6; `unrecognized_name`: RFC 6066 3). */
export function tlsAlert(description: "unrecognized_name" | "decode_error"): Uint8Array {
  return Uint8Array.of(0x15, 3, 3, 0, 2, 2, description === "unrecognized_name" ? 112 : 50);
}

/** Options of {@linkcode refuse}. */
export interface RefuseOptions {
  /** How long the peer may take to read the answer and to close. */
  readonly lingerMs: number;
}

/**
 * Says the last word and ends our direction, then reads what the peer still sends: closing with unread bytes would send a reset, which can
 * destroy the answer on its way (RFC 9112 9.6). Closing the stream stays with its owner. Never throws.
 */
export async function refuse(stream: ByteStream, answer: Uint8Array, options: RefuseOptions): Promise<void> {
  const done = sayAndDrain(stream, answer);
  try {
    await withDeadline(done, {
      ms: options.lingerMs,
      onTimeout: () => new Error("Cannot linger: the time is over"),
    });
  } catch {
    // The peer is gone or does not read: nothing more can be said to it.
  }
}

async function sayAndDrain(stream: ByteStream, answer: Uint8Array): Promise<void> {
  await writeAll(stream, answer);
  await stream.closeWrite();
  const rest = new Uint8Array(16_384);
  while (await stream.read(rest) !== null);
}
