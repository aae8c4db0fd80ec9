import { Buffer } from "node:buffer";
import { printable } from "../lib/printable.ts";
import { DialError } from "../model/errors.ts";
import { type Proxy, showProxy } from "../model/proxy.ts";
import { type ByteStream, closeQuietly, writeAll } from "./byte_stream.ts";
import { limitTime } from "./clock.ts";
import { isConnectionGone } from "./errors.ts";

const MAX_HEAD_BYTES = 16 * 1024;
const CHECK_PROXY = "Check proxy_url and the proxy itself; each new connection tries again";

/** Which tunnel is wanted. */
export interface TunnelOptions {
  readonly proxy: Proxy;
  /** Where it leads to. */
  readonly hostname: string;
  readonly port: number;
  /** For TCP and the proxy's answer together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A connection through a proxy, and the bytes that came with the proxy's answer. */
export interface Tunnel {
  readonly stream: ByteStream;
  readonly early: Uint8Array;
}

/**
 * Connects to the proxy and asks it for a tunnel (RFC 9110 9.3.6, RFC 7617).
 *
 * @throws {DialError} `timeout` if the proxy is silent, `proxy` for everything else.
 * @throws The signal's reason, if it aborts first.
 */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { proxy, timeoutMs, signal } = options;
  using limit = limitTime(timeoutMs, { signal });
  let stream: Deno.TcpConn | undefined;
  // A read of a connection has no signal: closing it is what ends the read.
  const onAbort = (): void => {
    if (stream !== undefined) closeQuietly(stream);
  };
  limit.signal.addEventListener("abort", onAbort, { once: true });
  try {
    stream = await Deno.connect({ hostname: proxy.hostname, port: proxy.port, signal: limit.signal });
    limit.signal.throwIfAborted();
    stream.setNoDelay(true);
    const early = await askForTunnel(stream, options);
    limit.signal.throwIfAborted();
    return { stream, early };
  } catch (error) {
    onAbort();
    if (signal?.aborted) throw signal.reason;
    if (limit.isOver) throw silentProxy(options);
    if (error instanceof DialError) throw error;
    throw failure(options, ...connectFailure(error, { proxy, connected: stream !== undefined }));
  } finally {
    limit.signal.removeEventListener("abort", onAbort);
  }
}

/** What {@linkcode openTunnel} throws when its time is over. */
export function silentProxy(options: TunnelOptions): DialError {
  return failure(options, `it does not answer in ${Math.round(options.timeoutMs / 10) / 100} s`, {
    code: "timeout",
  });
}

async function askForTunnel(stream: ByteStream, options: TunnelOptions): Promise<Uint8Array> {
  const { proxy, hostname, port } = options;
  const { username, password } = proxy;
  const target = `${hostname}:${port}`;
  const credentials = Buffer.from(`${username}:${password}`).toString("base64");
  const authorization = username === "" && password === ""
    ? ""
    : `Proxy-Authorization: Basic ${credentials}\r\n`;
  await writeAll(
    stream,
    Buffer.from(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`),
  );
  const { head, early } = await readHead(stream, options);
  const status = Number(/^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/.exec(head)?.[1] ?? 0);
  if (status < 200 || status > 299) throw refusal(status, { head, options });
  return early;
}

async function readHead(
  stream: ByteStream,
  options: TunnelOptions,
): Promise<{ head: string; early: Uint8Array }> {
  const buffer = Buffer.alloc(MAX_HEAD_BYTES);
  for (let have = 0; have < buffer.length;) {
    const count = await stream.read(buffer.subarray(have));
    if (count === null) {
      throw failure(
        options,
        have === 0 ? "it closed the connection" : "it closed the connection in mid-answer",
      );
    }
    // The end of the head may lie across two reads.
    const from = Math.max(0, have - 3);
    have += count;
    if (have >= 5 && buffer.toString("latin1", 0, 5) !== "HTTP/") throw notHttp(options);
    const end = buffer.subarray(0, have).indexOf("\r\n\r\n", from, "latin1");
    if (end < 0) continue;
    const head = buffer.toString("latin1", 0, end).split("\r\n")[0]!;
    return { head, early: buffer.subarray(end + 4, have) };
  }
  throw failure(options, `the head of its answer is larger than ${MAX_HEAD_BYTES} bytes`);
}

function refusal(status: number, answer: { head: string; options: TunnelOptions }): DialError {
  const { head, options } = answer;
  const { proxy, hostname, port } = options;
  const target = `${hostname}:${port}`;
  if (status === 0) return notHttp(options);
  if (status === 407) {
    return proxy.username === "" && proxy.password === ""
      ? failure(options, "it wants a user name and password (407)", {
        hint: "Write them in proxy_url: http://user:password@host:port",
      })
      : failure(options, "it refuses the user name or password (407)", {
        hint: "Correct them in proxy_url; write special characters as %40 and the like",
      });
  }
  if (status === 403) {
    return failure(options, `it forbids connections to ${target} (403)`, {
      hint: `Have the proxy allow CONNECT to ${target}`,
    });
  }
  if (status >= 500) {
    return failure(options, `it cannot reach ${target} (${status})`, {
      hint: `See whether the proxy resolves and reaches ${target}; each new connection tries again`,
    });
  }
  const line = printable(head).slice(0, 100);
  return failure(options, `it refuses a tunnel to ${target} ("${line}")`, {
    hint: "Check that it is an HTTP proxy that allows CONNECT",
  });
}

function notHttp(options: TunnelOptions): DialError {
  return failure(options, "its answer is not HTTP", { hint: "Check that proxy_url names an HTTP proxy" });
}

function connectFailure(
  error: unknown,
  dial: { proxy: Proxy; connected: boolean },
): [state: string, options?: { hint?: string; cause?: unknown }] {
  const { proxy, connected } = dial;
  const cause = { cause: error };
  if (error instanceof Deno.errors.NotCapable) {
    const host = `${proxy.hostname}:${proxy.port}`;
    return [`the permission set does not hold "${host}"`, { ...cause, hint: `Add --allow-net=${host}` }];
  }
  if (error instanceof Deno.errors.ConnectionRefused) return ["connection refused", cause];
  if (connected || isConnectionGone(error)) return ["it reset the connection", cause];
  // The runtime has no class for a name that does not resolve; whatever else can happen to a name is rarer.
  const isName = /[a-z]/i.test(proxy.hostname) && String(error).includes("lookup address");
  return [isName ? `the name "${proxy.hostname}" does not resolve` : "it cannot be reached", cause];
}

function failure(
  { proxy, hostname, port }: TunnelOptions,
  state: string,
  options: { hint?: string; cause?: unknown; code?: "timeout" } = {},
): DialError {
  const { hint = CHECK_PROXY, code = "proxy", cause } = options;
  return new DialError(
    `Cannot connect to ${hostname}:${port} through the proxy ${showProxy(proxy)}: ${state}`,
    { code, hint, cause },
  );
}
