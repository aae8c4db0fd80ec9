import type { ListenerRoutes } from "../../model/route_table.ts";
import { type ByteStream, writeAll } from "../../system/byte_stream.ts";
import { withDeadline } from "../../system/clock.ts";
import { peek } from "../peek.ts";
import { type TlsSniff, TlsSniffer } from "../sniff_tls.ts";
import { ACCEPT, DECLINE, type PostgresMessage, sniffPostgres, SSL_REQUEST } from "./postgres_message.ts";

/** A client may ask for each kind of encryption once. */
const MAX_REQUESTS = 2;

/**
 * Answers a PostgreSQL client that asks for encryption as a server with TLS does, and reads the
 * ClientHello that follows. GSSAPI is declined: it would name no server.
 *
 * @param request The bytes and the message that the client began with.
 * @throws Whatever the stream throws.
 */
export async function answerPostgres(
  local: ByteStream,
  request: PostgresRequest,
  options: AnswerOptions,
): Promise<PostgresHello> {
  const { endMs } = options;
  let { bytes, message } = request;
  for (let count = 0; count < MAX_REQUESTS && (message === "ssl" || message === "gss"); count++) {
    // Bytes in clear text must not reach a server that takes them for encrypted (CVE-2021-23214).
    if (bytes.length > SSL_REQUEST.length) return { kind: "refused", bytes, message: undefined };
    const isTls = message === "ssl";
    await withDeadline(writeAll(local, Uint8Array.of(isTls ? ACCEPT : DECLINE)), {
      ms: leftMs(endMs),
      onTimeout: () => new Error("Cannot answer: the client does not read"),
    });
    if (isTls) return await readHello(local, endMs);
    const next = await peek(local, sniff, { limitMs: () => leftMs(endMs) });
    if (next.kind !== "found") return { kind: "gone" };
    bytes = next.bytes;
    message = next.found.message;
  }
  return { kind: "refused", bytes, message };
}

/** The first message of a PostgreSQL client; undefined for anything else. */
export interface PostgresRequest {
  readonly bytes: Uint8Array;
  readonly message: PostgresMessage | undefined;
}

/** Options of {@linkcode answerPostgres}. */
export interface AnswerOptions {
  /** The deadline of the whole exchange, as `performance.now()` counts. */
  readonly endMs: number;
}

/** The ClientHello of a PostgreSQL client, or the message instead of it. */
export type PostgresHello =
  | { readonly kind: "hello"; readonly tls: TlsSniff; readonly initial: Uint8Array }
  | { readonly kind: "gone" }
  | ({ readonly kind: "refused" } & PostgresRequest);

/** Returns true if one of the routes may be a PostgreSQL server that speaks TLS itself. */
export function hasTlsRoute(routes: ListenerRoutes | undefined): boolean {
  return routes?.all.some(({ scheme }) => scheme === "tls") ?? false;
}

async function readHello(local: ByteStream, endMs: number): Promise<PostgresHello> {
  const sniffer = new TlsSniffer();
  const peeked = await peek<TlsSniff>(local, (bytes) => sniffer.sniff(bytes), {
    limitMs: () => leftMs(endMs),
  });
  if (peeked.kind !== "found") return { kind: "gone" };
  return { kind: "hello", tls: peeked.found, initial: peeked.bytes };
}

function sniff(bytes: Uint8Array): Pick<PostgresRequest, "message"> | "more" {
  const message = sniffPostgres(bytes);
  return message === "more" ? message : { message };
}

function leftMs(endMs: number): number {
  return Math.max(0, endMs - performance.now());
}
