import { getLogger } from "@logtape/logtape";
import { decideRenewal, retryDelay } from "../identity/renewal.ts";
import { ApiError, hintOf, messageOf } from "../model/errors.ts";
import type { Account, RenewalResult, RenewOptions } from "../sync/account.ts";
import { sleep } from "../system/clock.ts";

const log = getLogger(["ngrokd", "identity"]);

/** How often the time is looked at: the clock may jump, and another certificate may have come. */
const LOOK_MS = 5_000;
/** A certificate that is due as soon as it comes (a clock that is days slow, a life of a second) is not renewed more often. */
const PAUSE_MS = 60_000;

/** What {@linkcode Renewals} needs. */
export interface RenewalsOptions {
  readonly account: Pick<Account, "certificate" | "operatorId" | "renew">;
  /** The longest time between two tries after failures; read anew while it waits. */
  readonly intervalMs: () => number;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: () => number;
}

/** How it stands with renewals. Times are milliseconds since the epoch. */
export interface RenewalState {
  /** When the next try is; undefined as long as there is no certificate. */
  readonly nextAt: number | undefined;
  /** The last renewal of this process. */
  readonly lastAt: number | undefined;
  /** Why the last try failed; undefined if it did not. */
  readonly lastError: string | undefined;
}

/** Renews the certificate when it is due, and once more whenever it is asked to. */
export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #random: () => number;
  /** Drawn once for each certificate. */
  #draw = { serial: "", spread: 0 };
  #failures = 0;
  #retryAt = 0;
  #lastAt: number | undefined;
  #lastError: string | undefined;

  constructor(options: RenewalsOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  get state(): RenewalState {
    return { nextAt: this.#nextAt(), lastAt: this.#lastAt, lastError: this.#lastError };
  }

  /** Looks at once and then every few seconds, until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const leftMs = (this.#nextAt() ?? Infinity) - Date.now();
      if (leftMs <= 0) await this.renew({ force: false, signal }).catch(() => {});
      const waitMs = Math.max(1, Math.min(LOOK_MS, (this.#nextAt() ?? Infinity) - Date.now()));
      await sleep(waitMs, { signal }).catch(() => {});
    }
  }

  /** As {@linkcode Account.renew}; what it comes to is remembered. */
  async renew(options: RenewOptions): Promise<RenewalResult> {
    const { account, intervalMs } = this.#options;
    try {
      const result = await account.renew(options);
      if (result.renewed) this.#lastAt = Date.now();
      this.#failures = 0;
      const isDueAgain = decideRenewal(result.certificate, Date.now()).action === "renew";
      this.#retryAt = isDueAgain ? Date.now() + PAUSE_MS : 0;
      this.#lastError = undefined;
      return result;
    } catch (error) {
      const info = account.certificate;
      const isBusy = error instanceof ApiError && error.code === "busy";
      // A command that did not want to wait is no failure of a renewal.
      if (!options.signal.aborted && !isBusy && info !== undefined) {
        this.#failures++;
        this.#lastError = messageOf(error);
        const nowMs = Date.now();
        const delay = retryDelay({
          info,
          nowMs,
          failures: this.#failures,
          maxMs: intervalMs(),
          retryAfterMs: error instanceof ApiError ? error.retryAfterMs ?? 0 : 0,
          random: this.#random(),
        });
        this.#retryAt = nowMs + delay;
        log.error("Cannot renew the certificate: {error}", {
          error: messageOf(error),
          hint: hintOf(error),
          next_try: new Date(this.#retryAt).toISOString(),
          cert_not_after: new Date(info.notAfter).toISOString(),
        });
      }
      throw error;
    }
  }

  #nextAt(): number | undefined {
    const { account, intervalMs } = this.#options;
    const info = account.certificate;
    if (info === undefined || account.operatorId === undefined) return undefined;
    if (info.serial !== this.#draw.serial) this.#draw = { serial: info.serial, spread: this.#random() };
    const { dueAt } = decideRenewal(info, Date.now(), this.#draw);
    // A clock that was set back must not hold it up for longer than the interval.
    return Math.max(dueAt, Math.min(this.#retryAt, Date.now() + intervalMs()));
  }
}
