import { parseIpv4 } from "../lib/ipv4.ts";
import { limitTime } from "./clock.ts";
import { type NodeTarget, nodeTarget } from "./dial_tcp.ts";

/**
 * Returns true if a TLS server sends anything, even a refusal; false if it is silent or the signal
 * aborts. A socket of `node:tls` really closes during the handshake, unlike a `Deno.TlsConn`.
 */
export async function answersTls(options: AnswersTlsOptions): Promise<boolean> {
  const { hostname, port, timeoutMs, signal } = options;
  // The module is large, so it is loaded only when it is needed.
  const { default: tls } = await import("node:tls");
  using limit = limitTime(timeoutMs, { signal });
  let target: NodeTarget | undefined;
  try {
    limit.signal.throwIfAborted();
    target = await nodeTarget({ hostname, port }, { signal: limit.signal });
  } catch {
    // The real connection will report what a refusal means.
    return !limit.signal.aborted;
  }
  if (limit.signal.aborted) return false;
  // It has answered by TCP.
  if (target === undefined) return true;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const servername = parseIpv4(hostname) === undefined ? hostname : "";
  const socket = tls.connect({ ...target, servername });
  const silent = (): void => resolve(false);
  limit.signal.addEventListener("abort", silent, { once: true });
  socket.once("secureConnect", () => resolve(true));
  // The same goes for an alert and an untrusted certificate.
  socket.on("error", () => resolve(true));
  try {
    return await promise;
  } finally {
    limit.signal.removeEventListener("abort", silent);
    socket.destroy();
  }
}

/** Options of {@linkcode answersTls}. */
export interface AnswersTlsOptions {
  readonly hostname: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}
