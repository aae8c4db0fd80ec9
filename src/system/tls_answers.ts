import { parseIpv4 } from "../lib/ipv4.ts";

/** The server to check, and the time that it has. */
export interface AnswerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns true if a TLS server says anything at all, also a refusal; false if it is silent or the signal aborts. Nothing
 * is sent after the handshake. Unlike a `Deno.TlsConn`, a socket of `node:tls` really closes in mid-handshake.
 */
export async function answersTls(options: AnswerOptions): Promise<boolean> {
  const { hostname, port, timeoutMs, signal } = options;
  // Loaded when it is needed only: it is large.
  const { default: tls } = await import("node:tls");
  if (signal?.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const servername = parseIpv4(hostname) === undefined ? hostname : "";
  const socket = tls.connect({ host: hostname, port, servername });
  const silent = (): void => resolve(false);
  const timer = setTimeout(silent, timeoutMs);
  signal?.addEventListener("abort", silent, { once: true });
  socket.once("secureConnect", () => resolve(true));
  // An alert, a certificate that is not trusted here, a refusal: what it means, the real connection will tell.
  socket.on("error", () => resolve(true));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", silent);
    socket.destroy();
  }
}
