import { backoffDelay } from "../lib/backoff.ts";
import { ApiError } from "../model/errors.ts";

const FIRST_MS = 60_000;
const MAX_MS = 5 * 60_000;

/** Holds registrations apart when operators vanish as soon as they are made: each would leave one in the account. */
export class RegisterPace {
  /** How many in a row. */
  #lost = 0;
  #notBefore = -Infinity;

  /** @throws {ApiError} `operator_lost`, if the last one was registered too short a time ago. */
  check(): void {
    const ms = this.#notBefore - performance.now();
    if (ms <= 0) return;
    const seconds = Math.ceil(ms / 1000);
    throw new ApiError(
      `Cannot register with ngrok: the last operator was not to be found, the next one is made in ${seconds} s`,
      { status: 0, code: "operator_lost", hint: "Check that api.url leads to the ngrok API" },
    );
  }

  /** None could be registered, or one was that has given no list yet. */
  lost(): void {
    this.#lost++;
    this.#notBefore = performance.now() + backoffDelay(this.#lost, { baseMs: FIRST_MS, maxMs: MAX_MS }) * 0.9;
  }

  /** The cloud has given its list: it is there. */
  held(): void {
    this.#lost = 0;
    this.#notBefore = -Infinity;
  }
}
