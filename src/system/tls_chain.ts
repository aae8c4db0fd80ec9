import { parseIpv4 } from "../lib/ipv4.ts";
import { seconds } from "../lib/seconds.ts";
import { DialError, messageOf } from "../model/errors.ts";
import type { Proxy } from "../model/proxy.ts";
import { limitTime } from "./clock.ts";
import { type NodeTarget, nodeTarget } from "./dial_tcp.ts";
import { openTunnel } from "./proxy/open_tunnel.ts";
import { openRelay } from "./proxy/relay.ts";

/** The limit of the chain, which usually has three certificates. */
const MAX_CERTIFICATES = 10;
const MAX_CERTIFICATE_BYTES = 16 * 1024;

/**
 * Reads the certificates of a TLS server, at most 10 of at most 16 KiB. **Nothing is verified**, so
 * the result is untrusted input. The probe sends a handshake without a client certificate and
 * nothing else. A TLS 1.2 server that demands a client certificate ends the handshake before its
 * chain can be read.
 *
 * @throws {DialError} If there is no handshake within the time limit.
 * @throws The signal's reason, if it aborts first.
 */
export async function probeChain(options: ChainProbeOptions): Promise<PresentedChain> {
  const { hostname, port, timeoutMs, proxy, signal } = options;
  // The module is large, so it is loaded only when it is needed.
  const { default: tls } = await import("node:tls");
  signal?.throwIfAborted();
  using limit = limitTime(timeoutMs, { signal });
  const relay = proxy && openRelay(await openTunnel({ ...options, proxy }));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failure = (state: string, cause?: unknown): DialError =>
    new DialError(`Cannot read the certificates of ${hostname}:${port}: ${state}`, { code: "other", cause });
  const fail = (state: string, cause?: unknown): void => reject(failure(state, cause));
  const silent = `no response within ${seconds(timeoutMs)} s`;
  async function findTarget(): Promise<NodeTarget> {
    let target: NodeTarget | undefined;
    try {
      target = await nodeTarget({ hostname, port }, { signal: limit.signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw failure(limit.isOver ? silent : messageOf(error), error);
    }
    if (target === undefined) throw failure("the permission set does not include the address that answers");
    return target;
  }
  const servername = parseIpv4(hostname) === undefined ? hostname : "";
  // This socket carries no data: it is destroyed right after the handshake.
  const where = relay === undefined ? await findTarget() : { host: "127.0.0.1", port: relay.port };
  const socket = tls.connect({ ...where, servername, rejectUnauthorized: false });
  if (relay !== undefined) {
    socket.once(
      "connect",
      () => relay.accept(socket.localPort!).catch((error) => fail(messageOf(error), error)),
    );
  }
  const onAbort = (): void => limit.isOver ? fail(silent) : reject(signal!.reason);
  limit.signal.addEventListener("abort", onAbort, { once: true });
  if (limit.signal.aborted) onAbort();
  socket.once("secureConnect", () => resolve());
  socket.on("error", (error: unknown) => fail(messageOf(error), error));
  socket.once("close", () => fail("the connection was closed"));
  try {
    await promise;
    const certificates = readPeerChain(socket.getPeerCertificate(true));
    return { certificates, byRoots: byRoots(socket) };
  } finally {
    limit.signal.removeEventListener("abort", onAbort);
    socket.destroy();
    relay?.close();
  }
}

/** Options of {@linkcode probeChain}. */
export interface ChainProbeOptions {
  readonly hostname: string;
  readonly port: number;
  /** The limit for TCP connect and TLS handshake together. */
  readonly timeoutMs: number;
  /** The proxy that connections to this server use. */
  readonly proxy?: Proxy | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The certificates that a TLS server presents. */
export interface PresentedChain {
  /** DER; the server's own certificate is first. */
  readonly certificates: readonly Uint8Array<ArrayBuffer>[];
  /** Verification against the runtime's own CAs: `other_name` if only the name differs. */
  readonly byRoots: "trusted" | "other_name" | "untrusted";
}

function byRoots(
  { authorized, authorizationError }: { authorized: boolean; authorizationError: unknown },
): PresentedChain["byRoots"] {
  if (authorized) return "trusted";
  // The name is verified last, so the chain is valid.
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
    // The last certificate can be its own issuer.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}
