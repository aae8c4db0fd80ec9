import { getLogger } from "@logtape/logtape";
import { ApiError } from "../model/errors.ts";
import { sleep } from "../system/clock.ts";

const log = getLogger(["ngrokd", "cloud"]);

/** 60 s (PROTOCOL.md 1.4), and a little more: requests can be closer together when they arrive than when they leave. */
const WINDOW_MS = 61_000;
/** Whatever fails; the account shares 120 among all its daemons. */
const MAX_REQUESTS = 60;
/** Of those, for what is no list of endpoints: a renewal must not wait behind lists. */
const RESERVED = 10;
/** For the further pages of one long list, as long as all goes well. */
const MAX_PAGES = 110;
const MAX_WITH_PAGES = 118;
const TOLD_MS = 5000;

/** `first_page` begins a list, `page` goes on with one, `other` is everything else. */
export type RequestKind = "first_page" | "page" | "other";

/** How a turn is waited for. */
export interface TurnOptions {
  readonly signal?: AbortSignal | undefined;
  /** A longer wait fails at once. @default {Infinity} */
  readonly patienceMs?: number | undefined;
}

interface Sent {
  readonly at: number;
  readonly kind: RequestKind;
}

/** Keeps all requests of this process within the API's rate limit, however close together they are asked for (docs/decisions/0010). */
export class RequestBudget {
  /** What was sent within the window, oldest first. */
  #sent: Sent[] = [];
  #failedAt = -Infinity;
  /** Whether a whole list was read since the last failure. */
  #isProven = true;
  #told = -Infinity;

  /** A request failed, or a list was none: caution until the window has passed and a whole list was read. */
  failed(): void {
    this.#failedAt = performance.now();
    this.#isProven = false;
  }

  /** A whole list was read. */
  listed(): void {
    this.#isProven = true;
  }

  /** How long until a list of so many pages can be asked for in one go, in milliseconds; more than the window holds are not waited for. */
  waitMs(pages: number): number {
    this.#trim();
    const toBegin = this.#untilFewerThan(MAX_REQUESTS - RESERVED);
    const most = this.#isCautious() ? MAX_REQUESTS - RESERVED : MAX_PAGES;
    return Math.max(toBegin, this.#untilFewerThan(most + 1 - Math.min(pages, most)));
  }

  /**
   * Waits for the turn of one request, and counts it.
   *
   * @throws {ApiError} `busy` if it would have to wait longer than its patience.
   * @throws The signal's reason, if it aborts first.
   */
  async take(kind: RequestKind, options: TurnOptions = {}): Promise<void> {
    const { signal, patienceMs = Infinity } = options;
    const patienceEnds = performance.now() + patienceMs;
    for (let ms = this.#turnMs(kind); ms > 0; ms = this.#turnMs(kind)) {
      if (performance.now() + ms > patienceEnds) throw busy(ms);
      this.#tell(ms);
      await sleep(ms, { signal });
    }
    this.#sent.push({ at: performance.now(), kind });
  }

  #turnMs(kind: RequestKind): number {
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

  /** Once for each window. */
  #tell(ms: number): void {
    const now = performance.now();
    if (ms < TOLD_MS || now - this.#told < WINDOW_MS) return;
    this.#told = now;
    log.warn("{count} requests were sent within a minute: the next one waits {seconds} s", {
      count: this.#sent.length,
      seconds: Math.ceil(ms / 1000),
    });
  }
}

function busy(ms: number): ApiError {
  const seconds = Math.ceil(ms / 1000);
  return new ApiError(
    `Cannot ask the API now: too many requests were sent within a minute, wait ${seconds} s`,
    {
      status: 0,
      code: "busy",
      hint: `Try again in ${seconds} s`,
    },
  );
}
