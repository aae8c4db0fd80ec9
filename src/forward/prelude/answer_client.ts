import type { ListenerRoutes } from "../../model/route_table.ts";
import { type ByteStream, writeAll } from "../../system/byte_stream.ts";
import { withDeadline } from "../../system/clock.ts";
import { peek } from "../peek.ts";
import { type TlsSniff, TlsSniffer } from "../sniff_tls.ts";
import { answerTo, type Prelude, sniffPrelude } from "./prelude.ts";

/** A PostgreSQL client may ask for each kind of encryption once. */
const MAX_REQUESTS = 2;

/**
 * Answers a client that asks for TLS in clear text, as its server does, and reads the ClientHello
 * that follows.
 *
 * @throws Whatever the stream throws.
 */
export async function answerClient(
  local: ByteStream,
  first: PreludeBytes,
  options: AnswerOptions,
): Promise<PreludeHello> {
  const { endMs } = options;
  let current = first;
  for (let count = 0; count < MAX_REQUESTS; count++) {
    const { bytes, prelude } = current;
    const answer = prelude === undefined ? undefined : answerTo(prelude);
    // Bytes in clear text must not reach a server that takes them for encrypted (CVE-2021-23214).
    if (answer === undefined || bytes.length > answer.length) return { kind: "refused", ...current };
    if (!await wrote(local, answer.reply, endMs)) return { kind: "gone" };
    if (answer.isLast) return await readHello(local, endMs);
    const limitMs = leftMs(endMs);
    const next = await peek(local, sniff, { limitMs: () => limitMs });
    if (next.kind !== "found") return { kind: "gone" };
    current = { bytes: next.bytes, prelude: next.found.prelude };
  }
  return { kind: "refused", ...current };
}

/** The bytes that a client began with, and their meaning; undefined if they are no prelude. */
export interface PreludeBytes {
  readonly bytes: Uint8Array;
  readonly prelude: Prelude | undefined;
}

/** Options of {@linkcode answerClient}. */
export interface AnswerOptions {
  /** The deadline of the whole exchange, as `performance.now()` counts. */
  readonly endMs: number;
}

/** The ClientHello of a client, or the message instead of it. */
export type PreludeHello =
  | { readonly kind: "hello"; readonly tls: TlsSniff; readonly initial: Uint8Array }
  | { readonly kind: "gone" }
  | ({ readonly kind: "refused" } & PreludeBytes);

/** Returns true if one of the routes may be a server of another protocol than HTTP. */
export function hasTlsRoute(routes: ListenerRoutes | undefined): boolean {
  return routes?.all.some(({ scheme }) => scheme === "tls") ?? false;
}

async function wrote(local: ByteStream, reply: Uint8Array, endMs: number): Promise<boolean> {
  const writing = writeAll(local, reply).then(() => true);
  const late = new Error("Cannot answer: the client does not read");
  return await withDeadline(writing, { ms: leftMs(endMs), onTimeout: () => late }).catch((error) => {
    if (error === late) return false;
    throw error;
  });
}

async function readHello(local: ByteStream, endMs: number): Promise<PreludeHello> {
  const sniffer = new TlsSniffer();
  const limitMs = leftMs(endMs);
  const peeked = await peek<TlsSniff>(local, (bytes) => sniffer.sniff(bytes), { limitMs: () => limitMs });
  if (peeked.kind !== "found") return { kind: "gone" };
  return { kind: "hello", tls: peeked.found, initial: peeked.bytes };
}

function sniff(bytes: Uint8Array): Pick<PreludeBytes, "prelude"> | "more" {
  const prelude = sniffPrelude(bytes);
  return prelude === "more" ? prelude : { prelude };
}

function leftMs(endMs: number): number {
  return Math.max(0, endMs - performance.now());
}
