import { getLogger } from "@logtape/logtape";
import { ApiError } from "../model/errors.ts";
import { sleep } from "../system/clock.ts";

const log = getLogger(["ngrokd", "cloud"]);

/**
 * 60 s (docs/protocol.md 1.4) and a little more, because requests can be closer together when they
 * arrive than when they leave.
 */
const WINDOW_MS = 61_000;
/** The account has 120 for all its daemons. */
const MAX_REQUESTS = 60;
/** Reserved for requests other than lists, so that a renewal does not wait behind lists. */
const RESERVED = 10;
/** The limit for further pages of one long list, as long as nothing fails. */
const MAX_PAGES = 110;
const MAX_WITH_PAGES = 118;
const MIN_LOGGED_MS = 5000;

/** `first_page` begins a list, `page` continues one, `other` is everything else. */
export type RequestKind = "first_page" | "page" | "other";

/** Keeps all requests of this process within the API's rate limit (docs/decisions/0010). */
export class RequestBudget {
  /** The requests within the window, oldest first. */
  #sent: Sent[] = [];
  #failedAt = -Infinity;
  /** True if a whole list was read since the last failure. */
  #isProven = true;
  #loggedAt = -Infinity;

  /**
   * Records a failure. The budget is small until the window has passed and a whole list was read.
   */
  recordFailure(): void {
    this.#failedAt = performance.now();
    this.#isProven = false;
  }

  /** Records that a whole list was read. */
  recordFullList(): void {
    this.#isProven = true;
  }

  /**
   * Returns the time until a list of so many pages can be read without a pause, in milliseconds.
   * Pages beyond the window's limit are not counted.
   */
  waitMs(pages: number): number {
    this.#trim();
    const toBegin = this.#untilFewerThan(MAX_REQUESTS - RESERVED);
    const most = this.#isCautious() ? MAX_REQUESTS - RESERVED : MAX_PAGES;
    return Math.max(toBegin, this.#untilFewerThan(most + 1 - Math.min(pages, most)));
  }

  /**
   * Waits until one more request is allowed, and counts it.
   *
   * @throws {ApiError} `busy` if the wait would be longer than `maxWaitMs`.
   * @throws The signal's reason, if it aborts first.
   */
  async take(kind: RequestKind, options: TakeOptions = {}): Promise<void> {
    const { signal, maxWaitMs = Infinity } = options;
    const deadline = performance.now() + maxWaitMs;
    for (let ms = this.#delayMs(kind); ms > 0; ms = this.#delayMs(kind)) {
      if (performance.now() + ms > deadline) throw busy(ms);
      this.#logWait(ms);
      await sleep(ms, { signal });
    }
    this.#sent.push({ at: performance.now(), kind });
  }

  #delayMs(kind: RequestKind): number {
    this.#trim();
    const isCautious = this.#isCautious();
    if (kind === "first_page") return this.#untilFewerThan(MAX_REQUESTS - RESERVED);
    if (kind === "page") return this.#untilFewerThan(isCautious ? MAX_REQUESTS - RESERVED : MAX_PAGES);
    const others = this.#sent.filter((sent) => sent.kind === "other").length;
    return this.#untilFewerThan(isCautious || others >= RESERVED ? MAX_REQUESTS : MAX_WITH_PAGES);
  }

  #untilFewerThan(limit: number): number {
    const excess = this.#sent.length - limit;
    return excess < 0 ? 0 : this.#sent[excess]!.at + WINDOW_MS - performance.now();
  }

  #isCautious(): boolean {
    return !this.#isProven || this.#failedAt > performance.now() - WINDOW_MS;
  }

  #trim(): void {
    const begin = performance.now() - WINDOW_MS;
    this.#sent = this.#sent.filter(({ at }) => at > begin);
  }

  /** Logs once per window. */
  #logWait(ms: number): void {
    const now = performance.now();
    if (ms < MIN_LOGGED_MS || now - this.#loggedAt < WINDOW_MS) return;
    this.#loggedAt = now;
    log.warn("Reached the request budget with {count} requests in a minute; waiting {seconds} s", {
      count: this.#sent.length,
      seconds: Math.ceil(ms / 1000),
    });
  }
}

/** Options of {@linkcode RequestBudget.take}. */
export interface TakeOptions {
  readonly signal?: AbortSignal | undefined;
  /** @default {Infinity} */
  readonly maxWaitMs?: number | undefined;
}

interface Sent {
  readonly at: number;
  readonly kind: RequestKind;
}

function busy(ms: number): ApiError {
  const seconds = Math.ceil(ms / 1000);
  return new ApiError(
    "Cannot send the request: the request budget is used up",
    { status: 0, code: "busy", hint: `Wait ${seconds} s` },
  );
}
