import { ApiError, DialError, messageOf } from "../model/errors.ts";
import { hasCredentials, type Proxy, showProxy } from "../model/proxy.ts";
import { closeQuietly } from "./byte_stream.ts";
import { limitTime } from "./clock.ts";
import { openTunnel } from "./proxy/proxy_tunnel.ts";
import { checkProxy } from "./proxy/tunnel.ts";

/** One HTTP request with its limits. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole exchange, body included. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  /** Used for `https:` only: the runtime shows a proxy the whole of an `http:` request, and in it the API key. */
  readonly proxy?: Proxy | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Status, headers and whole body. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/**
 * Sends one request. Redirects are given back, never followed. It goes through `proxy` or directly: whoever calls this takes the variables
 * that name proxies off the process before ({@linkcode takeEnvironment}), or the runtime obeys them for `https:`.
 *
 * @throws {ApiError} `unreachable`, `proxy`, `timeout`, `too_large` or `malformed` (a header that cannot be sent), with status 0 or the answer's.
 * @throws The signal's reason, if it aborts first.
 */
export async function sendHttp(request: HttpRequest): Promise<HttpResponse> {
  const { method, url, headers, body, timeoutMs, maxBodyBytes, signal } = request;
  const { origin, protocol } = new URL(url);
  const proxy = protocol === "https:" ? request.proxy : undefined;
  const init = {
    method,
    headers: checkedHeaders(headers, origin),
    body: body ?? null,
    redirect: "manual",
  } as const;
  using limit = limitTime(timeoutMs, { signal });
  const way = proxy === undefined ? "" : ` through the proxy ${showProxy(proxy)}`;
  let status = 0;
  let client: Deno.HttpClient | undefined;
  try {
    using own = clientFor(new URL(url), proxy);
    client = own ?? keptClient();
    const response = await fetch(url, {
      ...init,
      signal: limit.signal,
      client,
    });
    status = response.status;
    return { status, headers: response.headers, body: await readBody(response, maxBodyBytes, origin) };
  } catch (error) {
    if (error instanceof ApiError) throw error;
    // Its connection may be dead, and with HTTP/2 all that follow would go the same way until the kernel gives it up, in a quarter of an hour.
    if (client !== undefined && client === kept) dropHttpConnections();
    if (signal?.aborted) throw signal.reason;
    if (limit.isOver) {
      throw new ApiError(`Cannot get an answer from ${origin}${way}: none in ${timeoutMs / 1000} s`, {
        status,
        code: "timeout",
        cause: error,
        hint: proxy && checkProxy(proxy),
      });
    }
    if (proxy !== undefined && status === 0) await tryTunnel(new URL(url), { proxy, signal: limit.signal });
    throw new ApiError(`Cannot reach ${origin}${way}: ${reasonOf(error)}`, {
      status,
      code: "unreachable",
      cause: error,
    });
  }
}

/** For the pages of one list, not from one poll to the next: a router on the way forgets connections that are idle. */
const IDLE_MS = 5_000;

/** The connections that are kept. */
let kept: Deno.HttpClient | undefined;

function keptClient(): Deno.HttpClient {
  return kept ??= Deno.createHttpClient({ poolIdleTimeout: IDLE_MS });
}

/** Keeps no connection any more: each request from now on has a new one, or one that was made after this. Those that run go on. */
export function dropHttpConnections(): void {
  kept?.close();
  kept = undefined;
}

/** A client for this request alone where the kept one would not do. */
function clientFor(url: URL, proxy: Proxy | undefined): Deno.HttpClient | undefined {
  if (proxy !== undefined) {
    const { username, password } = proxy;
    const basicAuth = hasCredentials(proxy) ? { basicAuth: { username, password } } : {};
    return Deno.createHttpClient({ proxy: { url: showProxy(proxy), ...basicAuth } });
  }
  if (url.protocol !== "http:") return undefined;
  // The runtime would show the proxy of the environment the whole request. Never for `https:`: this client speaks no TLS.
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  return Deno.createHttpClient({ proxy: { transport: "tcp", hostname, port: Number(url.port) || 80 } });
}

const TRY_TUNNEL_MS = 3_000;

/** The runtime does not say what a proxy answered: asking once more does. @throws {ApiError} If the proxy is what is wrong. */
async function tryTunnel(url: URL, options: { proxy: Proxy; signal: AbortSignal }): Promise<void> {
  try {
    const port = Number(url.port) || 443;
    const { stream } = await openTunnel({
      ...options,
      hostname: url.hostname,
      port,
      timeoutMs: TRY_TUNNEL_MS,
    });
    closeQuietly(stream);
  } catch (error) {
    if (!(error instanceof DialError)) return;
    const { message, hint, cause } = error;
    throw new ApiError(message, { status: 0, code: "proxy", hint, cause });
  }
}

/** fetch() would show the value of a header that cannot be sent in its message, and that value is the API key. */
function checkedHeaders(headers: Readonly<Record<string, string>>, origin: string): Headers {
  try {
    return new Headers(headers);
  } catch {
    throw new ApiError(`Cannot send a request to ${origin}: a header holds a character that is not allowed`, {
      status: 0,
      code: "malformed",
    });
  }
}

async function readBody(response: Response, maxBytes: number, origin: string): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new ApiError(`Cannot use the answer of ${origin}: it is larger than ${maxBytes} bytes`, {
        status: response.status,
        code: "too_large",
      });
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** fetch() wraps the cause in generic words; the innermost message is the one that helps. */
function reasonOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  return messageOf(inner);
}
