import { ApiError, DialError, messageOf } from "../model/errors.ts";
import { hasCredentials, type Proxy, showProxy } from "../model/proxy.ts";
import { closeQuietly } from "./byte_stream.ts";
import { limitTime } from "./clock.ts";
import { openWay } from "./open_way.ts";
import type { OwnProxy } from "./proxy/own_proxy.ts";
import { forgetAddress, type HostPort } from "./working_address.ts";
import { openTunnel } from "./proxy/open_tunnel.ts";
import { checkProxy } from "./proxy/tunnel_errors.ts";

/**
 * Sends a request and returns the response. Redirects are returned, never followed. The caller must
 * have removed the proxy variables from the environment ({@linkcode takeEnvironment}), or the
 * runtime obeys them for `https:`.
 *
 * @throws {ApiError} `unreachable`, `proxy`, `timeout`, `too_large` or `malformed` (an invalid
 * header), with the status of the response, or 0.
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
  const through = proxy === undefined ? "" : ` through the proxy ${showProxy(proxy)}`;
  let status = 0;
  let client: Deno.HttpClient | undefined;
  let way: OwnProxy | undefined;
  try {
    way = protocol === "https:" && proxy === undefined && !isConnected(origin)
      ? await openWay(targetOf(new URL(url)), { signal: limit.signal })
      : undefined;
    using _way = way;
    using own = way === undefined ? clientFor(new URL(url), proxy) : clientThrough(way);
    client = own ?? sharedClient();
    const response = await fetch(url, {
      ...init,
      signal: limit.signal,
      client,
    });
    status = response.status;
    const answer = {
      status,
      headers: response.headers,
      body: await readBody(response, maxBodyBytes, origin),
    };
    if (client === shared) connected = { origin, until: performance.now() + IDLE_MS / 2 };
    return answer;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    // The connection may be dead. With HTTP/2 all later requests would use it until the kernel
    // gives it up, in a quarter of an hour.
    if (client !== undefined && client === shared) dropHttpConnections();
    // Another address may work where this one accepts connections and does no more.
    if (way !== undefined) forgetAddress(targetOf(new URL(url)));
    if (signal?.aborted) throw signal.reason;
    if (limit.isOver) {
      throw new ApiError(
        `Cannot get a response from ${origin}${through}: no response within ${timeoutMs / 1000} s`,
        {
          status,
          code: "timeout",
          cause: error,
          hint: proxy && checkProxy(proxy),
        },
      );
    }
    if (proxy !== undefined && status === 0) await tryTunnel(new URL(url), { proxy, signal: limit.signal });
    const cause = way?.failure ?? error;
    throw new ApiError(`Cannot reach ${origin}${through}: ${reasonOf(cause)}`, {
      status,
      code: "unreachable",
      cause,
    });
  }
}

/** An HTTP request with its limits. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The limit for the whole exchange, including the body. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  /**
   * Used for `https:` only. For `http:` the runtime would send the proxy the whole request, with
   * the API key.
   */
  readonly proxy?: Proxy | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The status, the headers and the whole body of a response. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/**
 * Long enough for the pages of one list, and not for the next poll, because routers forget idle
 * connections.
 */
const IDLE_MS = 5_000;

/** The client whose connections are reused. */
let shared: Deno.HttpClient | undefined;
/** The origin to which the shared client has an idle connection, most likely. */
let connected: { readonly origin: string; readonly until: number } | undefined;

function isConnected(origin: string): boolean {
  return shared !== undefined && connected?.origin === origin && connected.until > performance.now();
}

function sharedClient(): Deno.HttpClient {
  return shared ??= Deno.createHttpClient({ poolIdleTimeout: IDLE_MS });
}

/** Drops idle connections, so that later requests open new ones. Running requests continue. */
export function dropHttpConnections(): void {
  shared?.close();
  shared = connected = undefined;
}

function clientThrough({ url, basicAuth }: OwnProxy): Deno.HttpClient {
  return Deno.createHttpClient({ proxy: { url, basicAuth } });
}

function targetOf({ hostname, port }: URL): HostPort {
  return { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || 443 };
}

/** Makes a client for one request if the shared client cannot be used. */
function clientFor(url: URL, proxy: Proxy | undefined): Deno.HttpClient | undefined {
  if (proxy !== undefined) {
    const { username, password } = proxy;
    const basicAuth = hasCredentials(proxy) ? { basicAuth: { username, password } } : {};
    return Deno.createHttpClient({ proxy: { url: showProxy(proxy), ...basicAuth } });
  }
  if (url.protocol !== "http:") return undefined;
  // Without this the runtime would send the request to the proxy of the environment. This client
  // speaks no TLS, so it must not be used for `https:`.
  const { hostname } = targetOf(url);
  return Deno.createHttpClient({ proxy: { transport: "tcp", hostname, port: Number(url.port) || 80 } });
}

const TRY_TUNNEL_MS = 3_000;

/**
 * Opens a tunnel to learn what the proxy answered, which the runtime does not say.
 *
 * @throws {ApiError} If the proxy failed.
 */
async function tryTunnel(url: URL, options: { proxy: Proxy; signal: AbortSignal }): Promise<void> {
  try {
    const { port } = targetOf(url);
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

/**
 * Checks the headers first, because the error of fetch() would quote the value, which can be the
 * API key.
 */
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
      throw new ApiError(`Cannot use the response of ${origin}: it is larger than ${maxBytes} bytes`, {
        status: response.status,
        code: "too_large",
      });
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Returns the innermost message, because fetch() wraps the cause in generic words. */
function reasonOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  return messageOf(inner);
}
