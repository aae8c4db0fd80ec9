import { UpgradeError } from "../../model/errors.ts";
import { type ByteStream, writeAll } from "../../system/byte_stream.ts";
import { withDeadline } from "../../system/clock.ts";
import type { RouteChoice } from "../choose_route.ts";
import { openUpstream, type Upstream, type UpstreamOptions } from "../upstream.ts";
import { ACCEPT, DECLINE, SSL_REQUEST } from "./postgres_message.ts";

/** A server that begins with TLS answers at once, because the request is no ClientHello. */
const ANSWER_MS = 3_000;

/**
 * Opens the upstream of a connection, up to the point where its ClientHello is due. A PostgreSQL
 * server waits for an SSLRequest before that. A server that begins with TLS refuses it; the
 * upstream is then opened again without it.
 *
 * @throws As {@linkcode openUpstream} does; {@linkcode UpgradeError} `no_tls` if the PostgreSQL
 * server declines TLS.
 */
export async function openPrepared(choice: RouteChoice, options: UpstreamOptions): Promise<Upstream> {
  const upstream = await openUpstream(choice, options);
  if (choice.prelude === undefined) return upstream;
  using stack = new DisposableStack();
  stack.use(upstream);
  const answer = await requestTls(upstream, options.signal);
  options.signal.throwIfAborted();
  if (answer === ACCEPT) {
    stack.move();
    return upstream;
  }
  if (answer === DECLINE) {
    throw new UpgradeError(`Cannot reach ${choice.host}:${choice.route.port}: PostgreSQL declines TLS`, {
      code: "no_tls",
      hint: "Set ssl = on in postgresql.conf of the server",
    });
  }
  stack.dispose();
  return await openUpstream(choice, options);
}

/** Sends an SSLRequest; returns the first byte of the answer, undefined if there is none. */
async function requestTls({ stream, early }: Upstream, signal: AbortSignal): Promise<number | undefined> {
  try {
    return await withDeadline(exchange(stream, early), {
      ms: ANSWER_MS,
      signal,
      onTimeout: () => new Error("Cannot ask for TLS: no answer"),
    });
  } catch {
    return undefined;
  }
}

async function exchange(stream: ByteStream, early: Uint8Array): Promise<number | undefined> {
  // A PostgreSQL server never speaks first.
  if (early.length > 0) return undefined;
  await writeAll(stream, SSL_REQUEST);
  // One byte only: what follows belongs to the client.
  const answer = new Uint8Array(1);
  return await stream.read(answer) === null ? undefined : answer[0];
}
