import { getLogger } from "@logtape/logtape";
import { demandedDelay, isKeyRefused } from "../cloud/api_key_refused.ts";
import { OnChange } from "../lib/on_change.ts";
import { ApiError, hintOf, messageOf } from "../model/errors.ts";
import type { ApiState } from "../model/report.ts";
import { nextPollDelay } from "./poll_delay.ts";
import type { NextPoll } from "./poll_timer.ts";

const log = getLogger(["ngrokd", "sync"]);

/** The result of the last poll, and the time of the next one. */
export class PollStatus {
  /** The number of pages of the last list. */
  pages = 1;
  #report: PollReport = { state: "never" };
  #failures = 0;
  #error: unknown;
  #notBefore = -Infinity;
  /** The end of the wait for the request budget, by `performance.now()`. */
  #readyAt = -Infinity;
  readonly #loggedError = new OnChange();

  /** The last poll, and the reason why the next one waits. */
  get report(): PollReport {
    const seconds = Math.ceil((this.#readyAt - performance.now()) / 1000);
    if (seconds <= 0) return this.#report;
    const wait =
      `the next poll waits ${seconds} s for the request budget (at most 60 API requests in any 60 s)`;
    return { ...this.#report, wait };
  }

  /** Returns the time of the next poll; see {@linkcode nextPollDelay}. */
  next(options: { readonly intervalMs: number; readonly random: (() => number) | undefined }): NextPoll {
    const history = { failures: this.#failures, error: this.#error, pages: this.pages };
    return { delayMs: nextPollDelay({ ...options, ...history }), notBefore: this.#notBefore };
  }

  /** Records that the next poll waits for the request budget. */
  wait(ms: number): void {
    this.#readyAt = performance.now() + ms;
  }

  /** Records that there is no API key to poll with. */
  noKey(): void {
    this.#report = { state: "no_key" };
    this.#logError(undefined);
  }

  /** Records a list of so many pages. `notice` is what is unusual about it. */
  succeed(pages: number, notice: string | undefined): void {
    if (this.#failures > 0) log.info("The API answers again", { failures: this.#failures });
    this.pages = pages;
    this.#failures = 0;
    this.#error = undefined;
    this.#notBefore = -Infinity;
    this.#report = { state: "ok", lastPoll: Date.now(), ...(notice === undefined ? {} : { notice }) };
    this.#logError(undefined);
  }

  /** Records a failure. `keeping` is the number of endpoints that stay. */
  fail(error: unknown, keeping: number): void {
    this.#failures++;
    this.#error = error;
    this.#notBefore = performance.now() + demandedDelay(error);
    const [message, hint] = [messageOf(error), hintOf(error)];
    const { lastPoll } = this.#report;
    this.#report = {
      state: apiStateOf(error),
      error: message,
      ...(hint === undefined ? {} : { hint }),
      ...(lastPoll === undefined ? {} : { lastPoll }),
    };
    this.#logError(message, { code: error instanceof ApiError ? error.code : "", hint, keeping });
  }

  #logError(message: string | undefined, properties: Record<string, unknown> = {}): void {
    this.#loggedError.report(
      message,
      (error) => log.error("Cannot poll the API: {error}", { error, ...properties }),
    );
  }
}

/** The last poll, as `status` shows it. */
export interface PollReport {
  readonly state: ApiState;
  /** The time of the last good poll, in milliseconds since the epoch. */
  readonly lastPoll?: number;
  readonly error?: string;
  readonly hint?: string;
  /** An unusual result of the last poll. */
  readonly notice?: string;
  /** The reason why the next poll waits, which is no problem. */
  readonly wait?: string;
}

/** Returns the state of the API after a failed call. */
export function apiStateOf(error: unknown): ApiState {
  if (isKeyRefused(error)) return "key_refused";
  if (!(error instanceof ApiError)) return "failing";
  if (error.status === 429) return "rate_limited";
  return ["unreachable", "timeout", "proxy"].includes(error.code) ? "unreachable" : "failing";
}
