import { parseIpv4 } from "../lib/ipv4.ts";

/**
 * Returns true if a TLS server sends anything, even a refusal; false if it is silent or the signal
 * aborts. A socket of `node:tls` really closes during the handshake, unlike a `Deno.TlsConn`.
 */
export async function answersTls(options: AnswersTlsOptions): Promise<boolean> {
  const { hostname, port, timeoutMs, signal } = options;
  // The module is large, so it is loaded only when it is needed.
  const { default: tls } = await import("node:tls");
  if (signal?.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const servername = parseIpv4(hostname) === undefined ? hostname : "";
  const socket = tls.connect({ host: hostname, port, servername });
  const silent = (): void => resolve(false);
  const timer = setTimeout(silent, timeoutMs);
  signal?.addEventListener("abort", silent, { once: true });
  socket.once("secureConnect", () => resolve(true));
  // The real connection will report what an alert, a refusal or an untrusted certificate means.
  socket.on("error", () => resolve(true));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", silent);
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
