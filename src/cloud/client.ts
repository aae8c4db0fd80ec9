import { isLoopbackHost } from "../lib/loopback_host.ts";
import { getLogger } from "@logtape/logtape";
import { Attempts } from "../lib/attempts.ts";
import { ApiError } from "../model/errors.ts";
import type { Proxy } from "../model/proxy.ts";
import { escapeControls, printable } from "../lib/printable.ts";
import type { HttpRequest, HttpResponse, sendHttp } from "../system/http.ts";
import { failure, hintFor } from "./failure.ts";
import { RequestBudget, type RequestKind } from "./request_budget.ts";
import { parseRetryAfter } from "./retry_after.ts";
import { ERROR_BODY, OWN_ERROR_BODY } from "./schemas.ts";

const log = getLogger(["ngrokd", "cloud"]);

const KEY_FORM = /^[\x21-\x7e]+$/;
const CODE_FORM = /^[A-Za-z0-9_]{1,64}$/;
const MIN_SECRET_LENGTH = 8;
const MAX_QUOTE_LENGTH = 300;

/** What keeps requests within the rate limit. */
export type Budget = Pick<RequestBudget, "take" | "failed" | "listed" | "waitMs">;

/** What an {@linkcode ApiClient} needs. URL and key are asked for at each request, so that a reload takes effect at once. */
export interface ApiClientOptions {
  /** `https://host[:port][/prefix]`; `http:` for loopback hosts only. */
  readonly baseUrl: () => string;
  /** The API key; `""` if there is none. */
  readonly key: () => string;
  readonly send: typeof sendHttp;
  /** Read at each request, too. */
  readonly proxy?: () => Proxy | undefined;
  readonly userAgent: string;
  /** One for all clients of a process. @default One of its own */
  readonly budget?: Budget;
  /** Requests that are under way: what is broken off is sent once more, unless it is a POST. @default One of its own */
  readonly attempts?: Attempts;
  /** @default {15_000} */
  readonly timeoutMs?: number;
  /** @default {16 * 1024 * 1024} */
  readonly maxBodyBytes?: number;
}

/** Options of one request. */
export interface ApiRequestOptions {
  /** What the request is for, as it stands after "Cannot" in a message: `list the bound endpoints`. */
  readonly action: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Reads the answer's text; undefined if it cannot. @default {JSON} */
  readonly parse?: (text: string) => unknown;
  /** @default {"other"} */
  readonly kind?: RequestKind;
  /** How long it may wait for its turn, in milliseconds. @default {Infinity} */
  readonly patienceMs?: number | undefined;
}

/** Whether the request arrived nobody knows. */
class BrokenOff extends ApiError {
  constructor(action: string, cause: unknown) {
    const kind = { status: 0, code: "unreachable" };
    super(`Cannot ${action}: this machine slept, or its network changed, meanwhile`, {
      ...kind,
      hint: hintFor(kind),
      cause,
    });
  }
}

/** Talks to the ngrok API (PROTOCOL.md 1.1). The key goes to the base URL's origin and nowhere else, and into no message. */
export class ApiClient {
  /** What keeps its requests within the rate limit. */
  readonly budget: Budget;
  readonly #options: ApiClientOptions;
  readonly #attempts: Attempts;
  /** The base URL as it was last given, and read. */
  #base: { readonly text: string; readonly url: URL | undefined; readonly root: string } | undefined;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.budget = options.budget ?? new RequestBudget();
    this.#attempts = options.attempts ?? new Attempts();
  }

  /**
   * Sends one request and gives the answer's JSON; undefined for a 204 and for every DELETE.
   *
   * @param target A path below the base URL (`/kubernetes_operators`), or a URL of the same origin.
   * @throws {ApiError} For every failure; beside the codes of the class `no_key`, `bad_key` and `insecure`, before anything is sent.
   * @throws The signal's reason, if it aborts first.
   */
  async request(method: HttpRequest["method"], target: string, options: ApiRequestOptions): Promise<unknown> {
    for (let mayRepeat = method !== "POST";; mayRepeat = false) {
      try {
        return await this.#request(method, target, options);
      } catch (error) {
        if (!(mayRepeat && error instanceof BrokenOff)) throw error;
      }
    }
  }

  async #request(
    method: HttpRequest["method"],
    target: string,
    options: ApiRequestOptions,
  ): Promise<unknown> {
    const { action, body, signal, kind = "other", patienceMs } = options;
    const { send, timeoutMs = 15_000, maxBodyBytes = 16 * 1024 * 1024 } = this.#options;
    // Before the wait, so that what cannot be sent costs no turn.
    this.#resolve(target, action);
    this.#key(action);
    await this.budget.take(kind, { signal, patienceMs });
    const url = this.#resolve(target, action);
    const key = this.#key(action);
    const headers: Record<string, string> = {
      "Authorization": `Bearer ${key}`,
      "Ngrok-Version": "2",
      "Accept": "application/json",
      "User-Agent": this.#options.userAgent,
    };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    let response: HttpResponse;
    using attempt = this.#attempts.begin(signal);
    try {
      const proxy = this.#options.proxy?.();
      response = await send({
        method,
        url: url.href,
        headers,
        ...sent,
        timeoutMs,
        maxBodyBytes,
        proxy,
        signal: attempt.signal,
      });
    } catch (error) {
      this.budget.failed();
      if (attempt.isBrokenOff && !(error instanceof ApiError)) throw new BrokenOff(action, error);
      if (!(error instanceof ApiError) || error.hint !== undefined) throw error;
      const { message, status, code, cause } = error;
      throw new ApiError(message, { status, code, cause, hint: hintFor({ status, code }) });
    }
    log.debug("{method} {path} was answered with {status}", {
      method,
      path: url.pathname,
      status: response.status,
    });
    const { parse = parseJson } = options;
    try {
      return readAnswer(response, { action, method, origin: url.origin, key, parse });
    } catch (error) {
      this.budget.failed();
      throw error;
    }
  }

  #resolve(target: string, action: string): URL {
    const { url: base, root } = this.#readBase(this.#options.baseUrl());
    if (base === undefined) throw failure(action, "api.url is not a URL", { code: "malformed" });
    if (base.protocol !== "https:" && !(base.protocol === "http:" && isLoopbackHost(base.hostname))) {
      throw failure(action, "api.url is neither https nor a loopback address", { code: "insecure" });
    }
    // A path is below the base URL's own path; `//host/path` is not a path.
    const url = parseUrl(/^\/(?!\/)/.test(target) ? root + target.slice(1) : target, root);
    if (url === undefined) {
      throw failure(action, `"${printable(target)}" is not a URL`, { code: "malformed" });
    }
    // The origin of a `blob:` URL is that of the URL inside it.
    if (url.origin !== base.origin || url.protocol !== base.protocol) {
      throw failure(action, `"${printable(target)}" is not at ${base.origin}`, { code: "foreign_page" });
    }
    // fetch() refuses a URL with credentials, and nothing here needs any.
    url.username = url.password = "";
    return url;
  }

  #readBase(text: string): { readonly url: URL | undefined; readonly root: string } {
    if (this.#base?.text !== text) {
      const url = parseUrl(text);
      const root = url === undefined ? "" : `${url.origin}${url.pathname.replace(/\/*$/, "/")}`;
      this.#base = { text, url, root };
    }
    return this.#base;
  }

  #key(action: string): string {
    const key = this.#options.key();
    if (key === "") throw failure(action, "no API key is set", { code: "no_key" });
    // A header cannot carry it, and fetch() would quote it in its error.
    if (!KEY_FORM.test(key)) {
      throw failure(action, "the API key has characters that no key has", { code: "bad_key" });
    }
    return key;
  }
}

/** Answers after which something is given up; they count from the API itself only. */
const DECISIVE: ReadonlySet<number> = new Set([401, 403, 404]);

interface Exchange {
  readonly action: string;
  readonly method: string;
  readonly origin: string;
  readonly key: string;
  readonly parse: (text: string) => unknown;
}

function readAnswer(response: HttpResponse, exchange: Exchange): unknown {
  const { action, method, origin, key, parse } = exchange;
  const { status, body, headers } = response;
  if (status >= 300 && status < 400) {
    const location = quote(headers.get("Location") ?? "", key);
    throw failure(action, `${origin} redirects to "${location}", which is not followed`, {
      code: "redirect",
      status,
    });
  }
  if (status < 200 || status >= 300) throw toApiError(response, exchange);
  if (status === 204 || method === "DELETE") return undefined;
  const json = parse(body);
  if (json === undefined) {
    throw failure(action, `the answer of ${origin} is not JSON`, { code: "malformed", status });
  }
  return json;
}

function toApiError(response: HttpResponse, exchange: Exchange): ApiError {
  const { action, origin, key } = exchange;
  const { status } = response;
  const json = parseJson(response.body);
  const parsed = ERROR_BODY.safeParse(json);
  const { error_code, msg } = parsed.success ? parsed.data : { error_code: "", msg: "" };
  const named = CODE_FORM.test(error_code) && redact(error_code, key) === error_code ? error_code : "";
  // Of a gateway or portal on the way: it would read as "the operator is gone" or "the key is refused".
  const code = DECISIVE.has(status) && !OWN_ERROR_BODY.safeParse(json).success ? "malformed" : named;
  const said = msg === "" ? "" : `: "${quote(msg, key)}"`;
  return new ApiError(
    `Cannot ${action}: ${origin} answered ${status}${code === "" ? "" : ` (${code})`}${said}`,
    {
      status,
      code,
      retryAfterMs: parseRetryAfter(response.headers.get("Retry-After"), Date.now()),
      hint: hintFor({ status, code }),
    },
  );
}

/** A foreign text for a message: without the key, which the API quotes back in some errors (PROTOCOL.md 1.3, code 201). */
function quote(text: string, key: string): string {
  const safe = escapeControls(redact(text, key));
  return safe.length > MAX_QUOTE_LENGTH ? `${safe.slice(0, MAX_QUOTE_LENGTH - 1)}…` : safe;
}

function redact(text: string, key: string): string {
  // A key is <id>_<secret>: an answer may quote the secret half alone.
  const secret = key.slice(key.indexOf("_") + 1);
  const whole = text.replaceAll(key, "[key]");
  return secret.length < MIN_SECRET_LENGTH ? whole : whole.replaceAll(secret, "[key]");
}

function parseUrl(text: string, base?: string): URL | undefined {
  return URL.parse(text, base) ?? undefined;
}

/** Undefined if it is not JSON; JSON has no undefined. The error is dropped, because it quotes the body. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
