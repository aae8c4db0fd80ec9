import { sleep } from "../system/clock.ts";

/** 60 s (PROTOCOL.md 1.4), and a little more: requests can be closer together when they arrive than when they leave. */
const WINDOW_MS = 61_000;
/** Of 120 requests; the others are for what has nothing to do with lists, and must not wait. */
const MAX_PAGES = 110;

/** Keeps lists of endpoints within the API's rate limit, however close together they are asked for. */
export class PageBudget {
  /** When pages were asked for, within the window. */
  #asked: number[] = [];

  /** How long until so many pages can be asked for in a row, in milliseconds; more than the window holds are not waited for. */
  waitMs(pages: number): number {
    const now = performance.now();
    this.#asked = this.#asked.filter((time) => time > now - WINDOW_MS);
    const excess = this.#asked.length + Math.min(pages, MAX_PAGES) - MAX_PAGES;
    return excess <= 0 ? 0 : this.#asked[excess - 1]! + WINDOW_MS - now;
  }

  /** Waits for the turn of one page. @throws The signal's reason, if it aborts first. */
  async take(signal: AbortSignal): Promise<void> {
    for (let ms = this.waitMs(1); ms > 0; ms = this.waitMs(1)) await sleep(ms, { signal });
    this.#asked.push(performance.now());
  }
}
