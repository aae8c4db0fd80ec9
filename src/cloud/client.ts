import { getLogger } from "@logtape/logtape";
import { Attempts } from "../lib/attempts.ts";
import { withoutFinalSlashes } from "../lib/final_slashes.ts";
import { isLoopbackHost } from "../lib/loopback_host.ts";
import { printable } from "../lib/printable.ts";
import { ApiError } from "../model/errors.ts";
import type { Proxy } from "../model/proxy.ts";
import type { HttpRequest, HttpResponse, sendHttp } from "../system/http.ts";
import { failure, hintFor } from "./failure.ts";
import { parseAnswer } from "./parse_answer.ts";
import { readResponse } from "./read_response.ts";
import { RequestBudget, type RequestKind } from "./request_budget.ts";

const log = getLogger(["ngrokd", "cloud"]);

const KEY_FORM = /^[\x21-\x7e]+$/;
const TIMEOUT_MS = 15_000;
/** It is parsed in one stretch. A page has 100 endpoints, so each may have 41 kB. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/**
 * Sends requests to the ngrok API (docs/protocol.md 1.1). The key goes only to the origin of the
 * base URL, and into no message.
 */
export class ApiClient {
  readonly budget: Budget;
  readonly #options: ApiClientOptions;
  readonly #attempts: Attempts;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.budget = options.budget ?? new RequestBudget();
    this.#attempts = options.attempts ?? new Attempts();
  }

  /**
   * Sends one request and returns the JSON of the response; undefined for a 204 and for every
   * DELETE.
   *
   * @param pathOrUrl A path below the base URL (`/kubernetes_operators`), or a URL of the same
   * origin.
   * @throws {ApiError} Also `no_key`, `bad_key` and `insecure`, before anything is sent.
   * @throws The signal's reason, if it aborts first.
   */
  request(method: HttpRequest["method"], pathOrUrl: string, options: ApiRequestOptions): Promise<unknown> {
    // A POST may have arrived before it was interrupted.
    return this.#request(method, pathOrUrl, { ...options, mayRepeat: method !== "POST" });
  }

  async #request(
    method: HttpRequest["method"],
    pathOrUrl: string,
    options: ApiRequestOptions & { mayRepeat: boolean },
  ): Promise<unknown> {
    const { action, body, signal, kind = "other", maxWaitMs } = options;
    const { parse = (text: string) => parseAnswer(text, action) } = options;
    // A request that cannot be sent must not use the budget.
    this.#resolve(pathOrUrl, action);
    this.#key(action);
    await this.budget.take(kind, { signal, maxWaitMs });
    const url = this.#resolve(pathOrUrl, action);
    const key = this.#key(action);
    const headers = {
      "Authorization": `Bearer ${key}`,
      "Ngrok-Version": "2",
      "Accept": "application/json",
      "User-Agent": this.#options.userAgent,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    };
    let response: HttpResponse;
    using attempt = this.#attempts.begin(signal);
    try {
      response = await this.#options.send({
        method,
        url: url.href,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        timeoutMs: TIMEOUT_MS,
        maxBodyBytes: MAX_BODY_BYTES,
        proxy: this.#options.proxy?.(),
        signal: attempt.signal,
      });
    } catch (error) {
      this.budget.recordFailure();
      if (attempt.isCancelled && !(error instanceof ApiError)) {
        if (options.mayRepeat) {
          return await this.#request(method, pathOrUrl, { ...options, mayRepeat: false });
        }
        const state = "this machine slept or its network changed meanwhile";
        throw failure(action, state, { code: "unreachable", cause: error });
      }
      if (!(error instanceof ApiError) || error.hint !== undefined) throw error;
      const { message, status, code, cause } = error;
      throw new ApiError(message, { status, code, cause, hint: hintFor({ status, code }) });
    }
    const { status } = response;
    log.debug("Received status {status} for {method} {path}", { method, path: url.pathname, status });
    try {
      return await readResponse(response, { action, method, origin: url.origin, key, parse });
    } catch (error) {
      this.budget.recordFailure();
      throw error;
    }
  }

  #resolve(pathOrUrl: string, action: string): URL {
    const base = URL.parse(this.#options.baseUrl());
    if (base === null) throw failure(action, "api.url is not a URL", { code: "malformed" });
    if (base.protocol !== "https:" && !(base.protocol === "http:" && isLoopbackHost(base.hostname))) {
      throw failure(action, "api.url is neither https nor a loopback address", { code: "insecure" });
    }
    // A path is below the base URL's own path; `//host/path` is not a path.
    const root = `${base.origin}${withoutFinalSlashes(base.pathname)}/`;
    const url = URL.parse(/^\/(?!\/)/.test(pathOrUrl) ? root + pathOrUrl.slice(1) : pathOrUrl, root);
    if (url === null) {
      throw failure(action, `"${printable(pathOrUrl)}" is not a URL`, { code: "malformed" });
    }
    // The origin of a `blob:` URL is that of the URL inside it.
    if (url.origin !== base.origin || url.protocol !== base.protocol) {
      throw failure(action, `"${printable(pathOrUrl)}" is not at ${base.origin}`, { code: "foreign_page" });
    }
    // fetch() refuses a URL with credentials.
    url.username = url.password = "";
    return url;
  }

  #key(action: string): string {
    const key = this.#options.key();
    if (key === "") throw failure(action, "no API key is set", { code: "no_key" });
    // A header cannot carry it, and the error of fetch() would quote it.
    if (!KEY_FORM.test(key)) {
      throw failure(action, "the API key has characters that no key has", { code: "bad_key" });
    }
    return key;
  }
}

/** The request budget as clients and their users see it. */
export type Budget = Pick<RequestBudget, "take" | "recordFailure" | "recordFullList" | "waitMs">;

/**
 * Options of {@linkcode ApiClient}. Functions are called at each request, so that a reload takes
 * effect.
 */
export interface ApiClientOptions {
  /** `https://host[:port][/prefix]`; `http:` for loopback hosts only. */
  readonly baseUrl: () => string;
  /** The API key; `""` if there is none. */
  readonly key: () => string;
  readonly send: typeof sendHttp;
  readonly proxy?: () => Proxy | undefined;
  readonly userAgent: string;
  /** Shared by all clients of a process. @default A budget of its own */
  readonly budget?: Budget;
  /** Interrupts running requests. They are repeated once, except a POST. @default Its own */
  readonly attempts?: Attempts;
}

/** Options of one request. */
export interface ApiRequestOptions {
  /**
   * The purpose of the request, as it follows "Cannot" in a message: `list the bound endpoints`.
   */
  readonly action: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Reads the response's text; undefined if it cannot. @default {JSON} */
  readonly parse?: (text: string) => Promise<unknown>;
  /** @default {"other"} */
  readonly kind?: RequestKind;
  /** The longest wait for the request budget, in milliseconds. @default {Infinity} */
  readonly maxWaitMs?: number | undefined;
}
