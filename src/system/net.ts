import { seconds } from "../lib/seconds.ts";
import { DialError, type DialFailure, messageOf } from "../model/errors.ts";
import type { Proxy } from "../model/proxy.ts";
import { listenerKey } from "../model/route_table.ts";
import type { ByteStream } from "./byte_stream.ts";
import { withDeadline } from "./clock.ts";
import { isConnectionGone, toBindError } from "./errors.ts";
import { openTunnel } from "./proxy/proxy_tunnel.ts";
import { openRelay, type Relay } from "./proxy/relay.ts";
import { acceptNext } from "./accept_next.ts";
import { answersTls } from "./tls_answers.ts";
import { silentProxy } from "./proxy/tunnel.ts";

/** Opens a TCP listener. @throws {BindError} If the address cannot be bound. */
export function listenTcp(where: TcpAddress): TcpListener {
  const listener = openListener(where);
  const port = listener.addr.port;
  return {
    key: listenerKey(where.address, port),
    port,
    async accept() {
      const conn = await acceptNext(() => listener.accept());
      try {
        conn.setNoDelay(true);
        // A client that vanishes silently would hold its slot for ever.
        conn.setKeepAlive(true);
      } catch {
        // The peer may be gone already; the first read reports it.
      }
      return Object.assign(conn, { peer: conn.remoteAddr.hostname, local: conn.localAddr.hostname });
    },
    close: () => listener.close(),
  };
}

/** An open TCP listener. */
export interface TcpListener {
  /** `address:port` as bound. */
  readonly key: string;
  readonly port: number;
  accept(): Promise<AcceptedStream>;
  close(): void;
}

/** An accepted connection and its peer. */
export interface AcceptedStream extends ByteStream {
  readonly peer: string;
  /** The local address that the peer dialled. */
  readonly local?: string;
}

/** An IPv4 address and a port to bind; port 0 is any free port. */
export interface TcpAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * The length of the accept queue; the kernel has its own limit too. A full queue delays a client by
 * a second, until it repeats its SYN.
 */
const BACKLOG = 4096;

function openListener(where: TcpAddress): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: where.address, port: where.port, tcpBacklog: BACKLOG });
  } catch (error) {
    throw toBindError(error, listenerKey(where.address, where.port));
  }
}

/**
 * Connects by TCP, without TLS.
 *
 * @throws {DialError} With the class of the failure.
 * @throws The signal's reason, if it aborts first.
 */
export async function connectTcp(where: TcpAddress, signal: AbortSignal): Promise<ByteStream> {
  const { address: hostname, port } = where;
  try {
    return await Deno.connect({ hostname, port, signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const [code, state] = dialFailure(error, { hostname, connected: false });
    throw new DialError(`Cannot connect to ${listenerKey(hostname, port)}: ${state}`, { code, cause: error });
  }
}

const CHECK_INGRESS = "Check this machine's network and ingressEndpoint; each new connection tries again";

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
  const identity = { cert, key, caCerts: [...caCerts] };
  let conn: Deno.TlsConn | undefined;
  let relay: Relay | undefined;
  let over = false;
  async function open(): Promise<ByteStream> {
    // Through a proxy the runtime dials our relay, so the tunnel makes the check.
    if (proxy !== undefined) return await openProxied(proxy);
    if (checkFirst && !(await answersTls({ hostname, port, timeoutMs, signal }) && !over)) {
      throw new Deno.errors.TimedOut();
    }
    conn = await Deno.connectTls({ hostname, port, ...identity });
    if (over) conn.close();
    else await conn.handshake();
    return conn;
  }
  async function openProxied(proxy: Proxy): Promise<ByteStream> {
    const tunnel = await openTunnel({ proxy, hostname, port, timeoutMs, checkFirst, signal });
    const own = relay = openRelay(tunnel);
    if (over) own.close();
    const where = { hostname: "127.0.0.1", port: own.port, ...identity, [SERVER_NAME]: hostname };
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

function dialFailure(
  error: unknown,
  dial: { hostname: string; connected: boolean },
): [DialFailure, string, string?] {
  const { hostname, connected } = dial;
  if (error instanceof Deno.errors.ConnectionRefused) return ["refused", "connection refused", CHECK_INGRESS];
  if (error instanceof Deno.errors.TimedOut) return ["timeout", "no response", CHECK_INGRESS];
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return [
      "other",
      "no local port is left",
      "Compare net.ipv4.ip_local_port_range with the connections in use: ss -tn",
    ];
  }
  const text = messageOf(error);
  // rustls gives no code. All its messages about a bad server certificate begin with these words.
  if (connected && text.includes("invalid peer certificate")) {
    const why = text.slice(text.indexOf("invalid peer certificate"));
    return [
      "untrusted",
      why,
      // The CA is unknown; it may belong to a man in the middle.
      "Compare what it presents with what is trusted: ngrokctl trust show",
    ];
  }
  // The runtime reads our own certificate and key before it connects.
  if (
    !connected &&
    /keys may not be consistent|private key|No (?:certificates|keys) found|invalid peer certificate/.test(
      text,
    )
  ) {
    return [
      "identity",
      `ngrokd's certificate or key cannot be used (${text})`,
      "Run: ngrokctl refresh-cert --force",
    ];
  }
  if (error instanceof Deno.errors.NotCapable) {
    return ["other", `the permission set does not include "${hostname}"`, `Add --allow-net=${hostname}`];
  }
  if (text.includes("lookup address")) {
    return ["name", `the name "${hostname}" does not resolve`, CHECK_INGRESS];
  }
  if (isConnectionGone(error)) return ["reset", "the connection was reset", CHECK_INGRESS];
  // An alert or bytes that are not TLS: the runtime uses this class for all errors of rustls.
  if (connected && error instanceof Deno.errors.InvalidData) return ["handshake", text];
  return ["other", text];
}

/** An address of this machine, IPv4 or IPv6, with its interface. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly address: string;
}

/** Returns all addresses of this machine. */
export function interfaceAddresses(): InterfaceAddress[] {
  return Deno.networkInterfaces().map(({ name, address }) => ({ interface: name, address }));
}

/** Returns the IPv4 addresses of this machine with their interfaces. */
export function localAddresses(): InterfaceAddress[] {
  return interfaceAddresses().filter(({ address }) => !address.includes(":"));
}
