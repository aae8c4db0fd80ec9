import { seconds } from "../lib/seconds.ts";
import { DialError } from "../model/errors.ts";
import type { Proxy } from "../model/proxy.ts";
import { type ByteStream, closeQuietly } from "./byte_stream.ts";
import { withDeadline } from "./clock.ts";
import { dialInOrder } from "./dial_in_order.ts";
import { CHECK_INGRESS, dialFailure } from "./dial_failure.ts";
import { openTunnel } from "./proxy/open_tunnel.ts";
import { openRelay, type Relay } from "./proxy/relay.ts";
import { silentProxy } from "./proxy/tunnel_errors.ts";
import { answersTls } from "./tls_answers.ts";
import { forgetAddress } from "./working_address.ts";

/**
 * The option for a server name that differs from the dialled address. It is unstable in the
 * runtime.
 */
const SERVER_NAME = Symbol.for("unstableServerName");

/**
 * Connects, shakes hands and verifies the server's certificate against `hostname`.
 *
 * With TLS 1.3 a refused client certificate shows at the first read, not here. The runtime
 * continues the handshake of a closed connection, so one that is given up keeps its descriptor
 * until the server ends it.
 *
 * @throws {DialError} With the class of the failure.
 * @throws The signal's reason, if it aborts first.
 */
export async function connectTls(options: TlsDialOptions): Promise<ByteStream> {
  const { hostname, port, cert, key, caCerts, timeoutMs, signal, checkFirst = false, proxy } = options;
  const where = `${hostname}:${port}`;
  const credentials = { cert, key, caCerts: [...caCerts] };
  let conn: Deno.TlsConn | undefined;
  let relay: Relay | undefined;
  let over = false;
  async function open(): Promise<ByteStream> {
    // Through a proxy the runtime dials our relay, so the tunnel makes the check.
    if (proxy !== undefined) return await openProxied(proxy);
    if (checkFirst && !(await answersTls({ hostname, port, timeoutMs, signal }) && !over)) {
      throw new Deno.errors.TimedOut();
    }
    const tls = conn = await openDirect();
    if (over) tls.close();
    else await tls.handshake();
    return tls;
  }
  function openDirect(): Promise<Deno.TlsConn> {
    return dialInOrder({ hostname, port }, {
      signal,
      open: (to) =>
        Deno.connectTls({
          ...credentials,
          hostname: to.hostname,
          port,
          autoSelectFamilyAttemptDelay: to.delayMs,
          ...(to.hostname === hostname ? {} : { [SERVER_NAME]: hostname }),
        }),
    });
  }
  async function openProxied(proxy: Proxy): Promise<ByteStream> {
    const tunnel = await openTunnel({ proxy, hostname, port, timeoutMs, checkFirst, signal });
    const own = relay = openRelay(tunnel);
    if (over) own.close();
    const where = { hostname: "127.0.0.1", port: own.port, ...credentials, [SERVER_NAME]: hostname };
    const tls = conn = await Deno.connectTls(where);
    const close = (): void => {
      try {
        tls.close();
      } finally {
        own.close();
      }
    };
    if (over) close();
    await own.accept((tls.localAddr as Deno.NetAddr).port);
    await tls.handshake();
    return {
      read: (buffer) => tls.read(buffer),
      write: (data) => tls.write(data),
      closeWrite: () => tls.closeWrite(),
      close,
      // Without a close_notify the ingress knows that the rest is missing. Without a relay the
      // runtime always sends one (docs/runtime.md Resets).
      abort() {
        own.abort();
        closeQuietly(tls);
        return Promise.resolve();
      },
    };
  }
  try {
    return await withDeadline(open(), {
      ms: timeoutMs,
      signal,
      onTimeout: () =>
        proxy !== undefined && relay === undefined
          ? silentProxy({ proxy, hostname, port, timeoutMs })
          : new DialError(`Cannot connect to ${where}: no response within ${seconds(timeoutMs)} s`, {
            code: "timeout",
            hint: CHECK_INGRESS,
          }),
    });
  } catch (error) {
    over = true;
    try {
      conn?.close();
    } catch {
      // A failed handshake has closed the connection.
    }
    relay?.close();
    if (signal?.aborted) throw signal.reason;
    // Another address may work where this one accepts connections and does no more.
    forgetAddress({ hostname, port });
    if (error instanceof DialError) throw error;
    const [code, state, hint] = dialFailure(error, { hostname, connected: conn !== undefined });
    throw new DialError(`Cannot connect to ${where}: ${state}`, { code, cause: error, hint });
  }
}

/** Options of {@linkcode connectTls}. Keys, certificates and CAs are PEM. */
export interface TlsDialOptions {
  readonly hostname: string;
  readonly port: number;
  readonly cert: string;
  readonly key: string;
  /** Trusted CAs in addition to Deno's roots. */
  readonly caCerts: readonly string[];
  /** The limit for TCP connect and TLS handshake together. */
  readonly timeoutMs: number;
  /**
   * If true, checks first that a TLS server answers (with an `https` proxy: that the proxy does),
   * because a handshake that is given up keeps its descriptor.
   */
  readonly checkFirst?: boolean;
  /** The proxy to dial instead of the host. The host's name is still verified. */
  readonly proxy?: Proxy | undefined;
  readonly signal?: AbortSignal | undefined;
}
