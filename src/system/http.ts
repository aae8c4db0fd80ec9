import { ApiError, messageOf } from "../model/errors.ts";
import { limitTime } from "./clock.ts";

/** One HTTP request with its limits. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole exchange, body included. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Status, headers and whole body. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/**
 * Sends one request. Redirects are given back, never followed.
 *
 * @throws {ApiError} `unreachable`, `timeout`, `too_large` or `malformed` (a header that cannot be sent), with status 0 or the answer's.
 * @throws The signal's reason, if it aborts first.
 */
export async function sendHttp(request: HttpRequest): Promise<HttpResponse> {
  const { method, url, headers, body, timeoutMs, maxBodyBytes, signal } = request;
  const { origin } = new URL(url);
  const init = {
    method,
    headers: checkedHeaders(headers, origin),
    body: body ?? null,
    redirect: "manual",
  } as const;
  using limit = limitTime(timeoutMs, { signal });
  let status = 0;
  try {
    const response = await fetch(url, { ...init, signal: limit.signal });
    status = response.status;
    return { status, headers: response.headers, body: await readBody(response, maxBodyBytes, origin) };
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal?.aborted) throw signal.reason;
    if (limit.isOver) {
      throw new ApiError(`Cannot get an answer from ${origin}: none in ${timeoutMs / 1000} s`, {
        status,
        code: "timeout",
        cause: error,
      });
    }
    throw new ApiError(`Cannot reach ${origin}: ${reasonOf(error)}`, {
      status,
      code: "unreachable",
      cause: error,
    });
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
