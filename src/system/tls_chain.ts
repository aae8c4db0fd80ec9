import { parseIpv4 } from "../lib/ipv4.ts";
import { DialError, messageOf } from "../model/errors.ts";
import type { Proxy } from "../model/proxy.ts";
import { openTunnel } from "./proxy/proxy_tunnel.ts";
import { openRelay } from "./proxy/relay.ts";

/** Where to look, and for how long. */
export interface ChainProbeOptions {
  readonly hostname: string;
  readonly port: number;
  /** For TCP connect and TLS handshake together. */
  readonly timeoutMs: number;
  /** The way to the server, as a connection that carries something would go. */
  readonly proxy?: Proxy | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a TLS server presents. */
export interface PresentedChain {
  /** DER, the server's own first. */
  readonly certificates: readonly Uint8Array<ArrayBuffer>[];
  /** Whether the runtime's own CAs vouch for it, and for this name. (Which of them, only the permission `sys=ca` would tell.) */
  readonly byRoots: "trusted" | "other_name" | "untrusted";
}

/** A chain is three certificates long, in rare cases five; what comes after these is not read. */
const MAX_CERTIFICATES = 10;
const MAX_CERTIFICATE_BYTES = 16 * 1024;

/**
 * What a TLS server presents: at most 10 certificates of at most 16 KiB. **Nothing is refused**, so that a chain
 * can be seen that does not verify: what comes back is input like any other. Nothing is sent but the handshake, without a client
 * certificate. A server that speaks TLS 1.2 only and demands one breaks off before its chain can be had.
 *
 * @throws {DialError} If there is no handshake in the time.
 * @throws The signal's reason, if it aborts first.
 */
export async function probeChain(options: ChainProbeOptions): Promise<PresentedChain> {
  const { hostname, port, timeoutMs, proxy, signal } = options;
  // Loaded when it is needed only: it is large.
  const { default: tls } = await import("node:tls");
  signal?.throwIfAborted();
  const relay = proxy && openRelay(await openTunnel({ ...options, proxy }));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (state: string, cause?: unknown): void =>
    reject(
      new DialError(`Cannot see the certificates of ${hostname}:${port}: ${state}`, { code: "other", cause }),
    );
  const servername = parseIpv4(hostname) === undefined ? hostname : "";
  // The data path never goes through here: this socket is destroyed before anything is written to it.
  const where = relay === undefined ? { host: hostname, port } : { host: "127.0.0.1", port: relay.port };
  const socket = tls.connect({ ...where, servername, rejectUnauthorized: false });
  if (relay !== undefined) {
    socket.once(
      "connect",
      () => relay.accept(socket.localPort!).catch((error) => fail(messageOf(error), error)),
    );
  }
  const timer = setTimeout(() => fail(`no answer in ${Math.round(timeoutMs / 10) / 100} s`), timeoutMs);
  const onAbort = (): void => reject(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.once("secureConnect", () => resolve());
  socket.on("error", (error: unknown) => fail(messageOf(error), error));
  socket.once("close", () => fail("the connection was closed"));
  try {
    await promise;
    const certificates = readPeerChain(socket.getPeerCertificate(true));
    return { certificates, byRoots: byRoots(socket) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
    relay?.close();
  }
}

function byRoots(
  { authorized, authorizationError }: { authorized: boolean; authorizationError: unknown },
): PresentedChain["byRoots"] {
  if (authorized) return "trusted";
  // The name is looked at last: all else is well then.
  return authorizationError === "ERR_TLS_CERT_ALTNAME_INVALID" ? "other_name" : "untrusted";
}

interface PeerCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: PeerCertificate;
}

function readPeerChain(first: PeerCertificate): Uint8Array<ArrayBuffer>[] {
  const chain: Uint8Array<ArrayBuffer>[] = [];
  let next: PeerCertificate | undefined = first;
  while (next?.raw !== undefined && chain.length < MAX_CERTIFICATES) {
    if (next.raw.length <= MAX_CERTIFICATE_BYTES) chain.push(new Uint8Array(next.raw));
    // The last one of a chain can be its own issuer.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}
