import { getLogger } from "@logtape/logtape";
import type { CertificateInfo } from "../identity/certificate.ts";
import { beginsAhead, decideRenewal, retryDelay } from "../identity/renewal.ts";
import { backoffDelay } from "../lib/backoff.ts";
import { ApiError, hintOf, messageOf } from "../model/errors.ts";
import type { Account } from "./account.ts";
import type { RenewalResult, RenewOptions } from "./certificate.ts";
import { demandedDelay } from "../cloud/api_key_refused.ts";
import { sleep } from "../system/clock.ts";
import type { RenewalMemory } from "./renewal_memory.ts";

const log = getLogger(["ngrokd", "account"]);

/** The clock may jump, and a registration may bring another certificate. */
const CHECK_MS = 5_000;
/** The first delay after a certificate that is due at once (wrong clock, tiny life); it doubles. */
const DUE_AT_ONCE_MS = 60_000;
/** NTP corrects by less; after a larger step back the moment of the renewal is drawn again. */
const MIN_STEP_BACK_MS = 1_000;

/** Renews the certificate when it is due, and at once when a command asks for it. */
export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #random: () => number;
  #draw: Draw = { serial: "", spread: 0, isAhead: false };
  #lastNowMs = -Infinity;
  #failures = 0;
  /** The number of certificates in a row that were due as soon as they were issued. */
  #dueAtOnce = 0;
  #retryAt = 0;
  #lastError: string | undefined;

  constructor(options: RenewalsOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  get state(): RenewalState {
    const { account, memory } = this.#options;
    return {
      nextAt: this.#nextAt(),
      lastAt: memory.renewedAt(account.certificate?.serial),
      lastError: this.#lastError,
    };
  }

  /** Renews whenever the certificate is due, until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if ((this.#nextAt() ?? Infinity) <= Date.now()) {
        await this.renew({ force: false, signal }).catch(() => {});
      }
      const waitMs = Math.min(CHECK_MS, (this.#nextAt() ?? Infinity) - Date.now());
      await sleep(Math.max(1, waitMs), { signal }).catch(() => {});
    }
  }

  /** Retries a failed renewal at the next check, because the new key may be accepted. */
  keyChanged(): void {
    if (this.#failures > 0) this.#retryAt = 0;
  }

  /** Renews with {@linkcode Account.renew}, and remembers the result. */
  async renew(options: RenewOptions): Promise<RenewalResult> {
    try {
      const result = await this.#options.account.renew(options);
      await this.#succeed(result);
      return result;
    } catch (error) {
      this.#fail(error, options.signal);
      throw error;
    }
  }

  async #succeed({ renewed, certificate }: RenewalResult): Promise<void> {
    if (renewed) await this.#options.memory.record(certificate.serial);
    this.#forgetFailure();
    this.#dueAtOnce = isDue(certificate, Date.now()) ? this.#dueAtOnce + 1 : 0;
    if (this.#dueAtOnce === 0) return;
    const maxMs = Math.max(DUE_AT_ONCE_MS, this.#options.intervalMs());
    this.#retryAt = Date.now() + backoffDelay(this.#dueAtOnce, { baseMs: DUE_AT_ONCE_MS, maxMs });
  }

  #fail(error: unknown, signal: AbortSignal): void {
    const info = this.#options.account.certificate;
    // A command that did not wait for the request budget is not a failed renewal.
    const isBusy = error instanceof ApiError && error.code === "busy";
    if (signal.aborted || isBusy || info === undefined) return;
    const nowMs = Date.now();
    // Nor is a failed command weeks before the certificate is due: status would show it until then.
    if (isDue(info, nowMs)) {
      this.#failures++;
      this.#lastError = messageOf(error);
      this.#retryAt = nowMs + retryDelay({
        info,
        nowMs,
        failures: this.#failures,
        maxMs: this.#options.intervalMs(),
        isOutage: isOutage(error),
        retryAfterMs: demandedDelay(error),
        random: this.#random(),
      });
    }
    const nextAt = this.#nextAt();
    log.error("Cannot renew the certificate", {
      error: messageOf(error),
      hint: hintOf(error),
      // Undefined if the operator is gone: the next one comes with a certificate.
      ...(nextAt === undefined ? {} : { next_try: new Date(nextAt).toISOString() }),
      cert_not_after: new Date(info.notAfter).toISOString(),
    });
  }

  #nextAt(): number | undefined {
    const { account, intervalMs } = this.#options;
    const info = account.certificate;
    if (info === undefined || account.operatorId === undefined) return undefined;
    const nowMs = Date.now();
    const isOther = info.serial !== this.#draw.serial;
    // A registration has brought another certificate.
    if (isOther && this.#lastError !== undefined) this.#forgetFailure();
    // A moment that was drawn by a wrong clock may be years away, on either side.
    if (
      isOther || beginsAhead(info, nowMs) !== this.#draw.isAhead || nowMs < this.#lastNowMs - MIN_STEP_BACK_MS
    ) {
      this.#draw = { serial: info.serial, spread: this.#random(), isAhead: beginsAhead(info, nowMs) };
    }
    this.#lastNowMs = nowMs;
    const { dueAt } = decideRenewal(info, nowMs, { spread: this.#draw.spread });
    // A clock that was set back must not delay a retry by more than the interval.
    return Math.max(dueAt, Math.min(this.#retryAt, nowMs + intervalMs()));
  }

  #forgetFailure(): void {
    this.#failures = 0;
    this.#retryAt = 0;
    this.#lastError = undefined;
  }
}

/** Options of {@linkcode Renewals}. */
export interface RenewalsOptions {
  readonly account: Pick<Account, "certificate" | "operatorId" | "renew">;
  /** The longest delay between two attempts after failures; read each time. */
  readonly intervalMs: () => number;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: () => number;
  readonly memory: Pick<RenewalMemory, "renewedAt" | "record">;
}

/** The state of the renewals. Times are milliseconds since the epoch. */
export interface RenewalState {
  /** The time of the next attempt; undefined while there is no certificate. */
  readonly nextAt: number | undefined;
  /** The time at which the certificate in use replaced another, also before a restart. */
  readonly lastAt: number | undefined;
  /** The error of the last attempt; undefined if it succeeded. */
  readonly lastError: string | undefined;
}

/** The random moment of the renewal of one certificate (docs/reliability.md R37). */
interface Draw {
  readonly serial: string;
  /** The part of the first tenth of the window, in [0, 1). */
  readonly spread: number;
  /** True if the certificate began in the future by the clock of that time. */
  readonly isAhead: boolean;
}

/**
 * Returns true if the API did not decide: no response, too many requests, an error of the cloud.
 */
function isOutage(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

function isDue(info: CertificateInfo, nowMs: number): boolean {
  return decideRenewal(info, nowMs).action === "renew";
}
