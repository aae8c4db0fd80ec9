import { ApiError, messageOf } from "../model/errors.ts";

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
 * @throws {ApiError} `unreachable`, `timeout` or `too_large`, with status 0 or the answer's.
 * @throws The signal's reason, if it aborts first.
 */
export async function sendHttp(request: HttpRequest): Promise<HttpResponse> {
  const { method, url, headers, body, timeoutMs, maxBodyBytes, signal } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const { origin } = new URL(url);
  let status = 0;
  try {
    const response = await fetch(url, { method, headers, body: body ?? null, redirect: "manual", signal: stop });
    status = response.status;
    return { status, headers: response.headers, body: await readBody(response, maxBodyBytes, origin) };
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal?.aborted) throw signal.reason;
    if (timeout.aborted) {
      throw new ApiError(`Cannot get an answer from ${origin}: none in ${timeoutMs / 1000} s`, { status, code: "timeout", cause: error });
    }
    throw new ApiError(`Cannot reach ${origin}: ${reasonOf(error)}`, { status, code: "unreachable", cause: error });
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
      throw new ApiError(`Cannot use the answer of ${origin}: it is larger than ${maxBytes} bytes`, { status: response.status, code: "too_large" });
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
