import { DialError, messageOf } from "../../model/errors.ts";
import type { Proxy } from "../../model/proxy.ts";
import { type ByteStream, closeQuietly } from "../byte_stream.ts";
import { limitTime } from "../clock.ts";
import { isConnectionGone } from "../errors.ts";
import { openTcp } from "../open_tcp.ts";
import { askByConnect } from "./http_connect.ts";
import { askBySocks5 } from "./socks5.ts";
import { answersTls } from "../tls_answers.ts";
import {
  silentProxy,
  type Tunnel,
  tunnelFailure,
  type TunnelFailureOptions,
  type TunnelOptions,
} from "./tunnel_errors.ts";

const NOTHING = new Uint8Array();

/**
 * Connects to the proxy and requests a tunnel. Without `checkFirst`, a handshake with an `https`
 * proxy that is given up keeps its descriptor until the proxy ends it.
 *
 * @throws {DialError} `timeout` if the proxy is silent, `proxy` for every other failure.
 * @throws The signal's reason, if it aborts first.
 */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { proxy, timeoutMs, signal, checkFirst = true } = options;
  using limit = limitTime(timeoutMs, { signal });
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => {});
  let stream: Deno.TcpConn | Deno.TlsConn | undefined;
  // A read takes no signal, so closing the connection ends it. That does not end a handshake.
  const onAbort = (): void => {
    if (stream !== undefined) closeQuietly(stream);
    over.reject(limit.signal.reason);
  };
  limit.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { hostname, port } = proxy;
    if (checkFirst && proxy.scheme === "https") {
      const answers = await answersTls({ hostname, port, timeoutMs, signal: limit.signal });
      if (!answers) throw silentProxy(options);
    }
    const tcp = await openTcp({ hostname, port, signal: limit.signal });
    stream = tcp;
    limit.signal.throwIfAborted();
    tcp.setNoDelay(true);
    if (proxy.scheme === "https") {
      const tls = await Deno.startTls(tcp, { hostname });
      stream = tls;
      limit.signal.throwIfAborted();
      await Promise.race([tls.handshake(), over.promise]);
    }
    const early = await ask(stream, options);
    limit.signal.throwIfAborted();
    return { stream, early };
  } catch (error) {
    if (stream !== undefined) closeQuietly(stream);
    if (signal?.aborted) throw signal.reason;
    if (limit.isOver) throw silentProxy(options);
    if (error instanceof DialError) throw error;
    throw tunnelFailure(options, ...connectFailure(error, { proxy, connected: stream !== undefined }));
  } finally {
    limit.signal.removeEventListener("abort", onAbort);
  }
}

async function ask(stream: ByteStream, options: TunnelOptions): Promise<Uint8Array> {
  if (options.proxy.scheme !== "socks5") return await askByConnect(stream, options);
  await askBySocks5(stream, options);
  return NOTHING;
}

function connectFailure(
  error: unknown,
  dial: { proxy: Proxy; connected: boolean },
): [state: string, options?: TunnelFailureOptions] {
  const { proxy, connected } = dial;
  const cause = { cause: error };
  if (error instanceof Deno.errors.NotCapable) {
    const host = `${proxy.hostname}:${proxy.port}`;
    return [`the permission set does not include "${host}"`, {
      ...cause,
      hint: `Start ngrokd by its launcher, which adds --allow-net=${host}: ngrokd launch`,
    }];
  }
  if (error instanceof Deno.errors.ConnectionRefused) return ["connection refused", cause];
  if (proxy.scheme === "https" && error instanceof Deno.errors.InvalidData) return tlsFailure(error);
  if (connected || isConnectionGone(error)) return ["it reset the connection", cause];
  // The runtime has no class for a name that does not resolve.
  const isName = /[a-z]/i.test(proxy.hostname) && String(error).includes("lookup address");
  return [isName ? `the name "${proxy.hostname}" does not resolve` : "it cannot be reached", cause];
}

function tlsFailure(error: Error): [state: string, options: TunnelFailureOptions] {
  const reason = messageOf(error);
  if (!reason.includes("certificate")) {
    return [`it does not speak TLS (${reason})`, {
      cause: error,
      hint: "Write http:// if the proxy expects plain HTTP",
    }];
  }
  return [`its certificate was refused (${reason})`, {
    cause: error,
    hint:
      "The certificate must be for the proxy's name and from a public CA, or start ngrokd by deno run --cert=FILE with " +
      "the CA (docs/configuration.md; the tasks remove DENO_CERT)",
  }];
}
