import { getLogger } from "@logtape/logtape";
import type { CertificateInfo } from "../identity/certificate.ts";
import { beginsAhead, decideRenewal, retryDelay } from "../identity/renewal.ts";
import { drawTurn, nextTurn, type Turn, turnOf } from "./turn.ts";
import { backoffDelay } from "../lib/backoff.ts";
import { ApiError, hintOf, messageOf } from "../model/errors.ts";
import type { Account, RenewalResult, RenewOptions } from "./account.ts";
import { REFUSED_MS } from "../cloud/key_refused.ts";
import { isKeyRefused } from "../cloud/key_refused.ts";
import { limitTime, sleep } from "../system/clock.ts";
import type { RenewalNote } from "./renewal_memory.ts";

const log = getLogger(["ngrokd", "identity"]);

/** How often the time is looked at: the clock may jump, and another certificate may have come. */
const LOOK_MS = 5_000;
/** A certificate that is due as soon as it comes (a clock that is days wrong, a life of a second) is renewed after that, then after twice that. */
const PAUSE_MS = 60_000;
/** NTP corrects by less; a clock that is set back by more changes what was drawn. */
const MIN_STEP_BACK_MS = 1_000;
/** How long before the window the operators are listed at most: a fleet does not ask at once either. */
const LEAD_MS = 600_000;
/** A slow list must not hold up the renewal that it is for. */
const LIST_MS = 15_000;
/** Waiting for one's own second takes this part of the time that is left at most. */
const TURN_PART = 1 / 10;

/** What {@linkcode Renewals} needs. */
export interface RenewalsOptions {
  readonly account: Pick<Account, "certificate" | "operatorId" | "renew">;
  /** The longest time between two tries after failures; read anew while it waits. */
  readonly intervalMs: () => number;
  /** The ids of all operators of the account: no two of them begin in the same second (docs/decisions/0009). @default A plain random draw */
  readonly listOperators?: (signal: AbortSignal) => Promise<readonly string[]>;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: () => number;
  /** The last renewal of an earlier process. */
  readonly last?: RenewalNote | undefined;
  /** Keeps a renewal for the next process; never rejects. */
  readonly remember?: (note: RenewalNote) => Promise<void>;
}

/** How it stands with renewals. Times are milliseconds since the epoch. */
export interface RenewalState {
  /** When the next try is; undefined as long as there is no certificate. */
  readonly nextAt: number | undefined;
  /** When the certificate in use replaced another, in this process or an earlier one. */
  readonly lastAt: number | undefined;
  /** Why the last try failed; undefined if it did not. */
  readonly lastError: string | undefined;
}

/** When a certificate is renewed; drawn once for each. Times are milliseconds since the epoch. */
interface Draw {
  readonly serial: string;
  readonly spread: number;
  /** Whether it begins in the future by the clock of that time. */
  readonly isAhead: boolean;
  /** When the operators are listed; Infinity once that is done. */
  askAt: number;
  /** The own second; undefined as long as there is none. */
  turnAt: number | undefined;
}

/** Renews the certificate when it is due, and once more whenever it is asked to. */
export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #random: () => number;
  #draw: Draw = { serial: "", spread: 0, isAhead: false, askAt: Infinity, turnAt: undefined };
  /** What the clock said last. */
  #seenAt = -Infinity;
  /** By the last list that could be had. */
  #turn: Turn | undefined;
  #failures = 0;
  /** How many certificates in a row were due as soon as they came. */
  #dueAtOnce = 0;
  #retryAt = 0;
  #last: RenewalNote | undefined;
  #lastError: string | undefined;

  constructor(options: RenewalsOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#last = options.last;
  }

  get state(): RenewalState {
    const isCurrent = this.#last !== undefined &&
      this.#last.serial === this.#options.account.certificate?.serial;
    return {
      nextAt: this.#nextAt(),
      lastAt: isCurrent ? this.#last?.at : undefined,
      lastError: this.#lastError,
    };
  }

  /** Looks at once and then every few seconds, until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const dueAt = this.#nextAt() ?? Infinity;
      if (dueAt !== Infinity && this.#draw.askAt <= Date.now()) await this.#takeTurn(signal);
      else if (dueAt <= Date.now()) await this.renew({ force: false, signal }).catch(() => {});
      const wakeAt = Math.min(this.#nextAt() ?? Infinity, this.#draw.askAt);
      const waitMs = Math.max(1, Math.min(LOOK_MS, wakeAt - Date.now()));
      await sleep(waitMs, { signal }).catch(() => {});
    }
  }

  /** Another key may be a good one: what failed is tried again at the next look. */
  keyChanged(): void {
    if (this.#failures > 0) this.#retryAt = 0;
  }

  /** As {@linkcode Account.renew}; what it comes to is remembered. */
  async renew(options: RenewOptions): Promise<RenewalResult> {
    const { account, intervalMs, remember } = this.#options;
    try {
      const result = await account.renew(options);
      if (result.renewed) {
        this.#last = { serial: result.certificate.serial, at: Date.now() };
        await remember?.(this.#last);
      }
      this.#failures = 0;
      this.#dueAtOnce = isDue(result.certificate, Date.now()) ? this.#dueAtOnce + 1 : 0;
      this.#retryAt = this.#dueAtOnce === 0 ? 0 : Date.now() + this.#pauseMs();
      this.#lastError = undefined;
      return result;
    } catch (error) {
      const info = account.certificate;
      const isBusy = error instanceof ApiError && error.code === "busy";
      const nowMs = Date.now();
      // Neither a command that did not want to wait nor one that came weeks before its time is a failure of a renewal.
      const isOurs = !options.signal.aborted && !isBusy && info !== undefined;
      if (isOurs && isDue(info, nowMs)) {
        this.#failures++;
        this.#lastError = messageOf(error);
        const delay = retryDelay({
          info,
          nowMs,
          failures: this.#failures,
          maxMs: intervalMs(),
          isOutage: isOutage(error),
          retryAfterMs: askedFor(error),
          random: this.#random(),
        });
        this.#retryAt = this.#ownSecond(nowMs + delay, info) ?? nowMs + delay;
        if (this.#turn === undefined && this.#options.listOperators !== undefined) {
          this.#draw.askAt = this.#retryAt;
        }
      }
      if (isOurs) {
        const nextAt = this.#nextAt();
        log.error("The certificate is not renewed: {error}", {
          error: messageOf(error),
          hint: hintOf(error),
          // An operator that is gone is replaced, and a certificate comes with the next.
          ...(nextAt === undefined ? {} : { next_try: new Date(nextAt).toISOString() }),
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
    const nowMs = Date.now();
    if (info.serial !== this.#draw.serial && this.#lastError !== undefined) this.#forgetFailure();
    if (this.#isOutdated(info, nowMs)) this.#draw = this.#drawFor(info, nowMs);
    this.#seenAt = nowMs;
    const { spread, turnAt } = this.#draw;
    const { dueAt } = decideRenewal(info, nowMs, { spread });
    // A clock that was set back must not hold it up for longer than the interval.
    return Math.max(turnAt ?? dueAt, Math.min(this.#retryAt, nowMs + intervalMs()));
  }

  /** Another certificate has come by a registration. */
  #forgetFailure(): void {
    this.#failures = 0;
    this.#retryAt = 0;
    this.#lastError = undefined;
  }

  /** Also after a jump of the clock: what was drawn by a wrong one may lie years away, on either side. */
  #isOutdated(info: CertificateInfo, nowMs: number): boolean {
    const { serial, isAhead } = this.#draw;
    return info.serial !== serial || beginsAhead(info, nowMs) !== isAhead ||
      nowMs < this.#seenAt - MIN_STEP_BACK_MS;
  }

  #pauseMs(): number {
    return backoffDelay(this.#dueAtOnce, {
      baseMs: PAUSE_MS,
      maxMs: Math.max(PAUSE_MS, this.#options.intervalMs()),
    });
  }

  #drawFor(info: CertificateInfo, nowMs: number): Draw {
    const spread = this.#random();
    const { opensAt, endsAt } = spanOf(info, nowMs);
    const leadMs = Math.min(LEAD_MS, (endsAt - opensAt) / 2) * this.#random();
    const askAt = this.#options.listOperators === undefined ? Infinity : opensAt - leadMs;
    return { serial: info.serial, spread, isAhead: beginsAhead(info, nowMs), askAt, turnAt: undefined };
  }

  /** Lists the operators, and moves the renewal to a second that is no other's; without a list it stays where it was drawn. */
  async #takeTurn(signal: AbortSignal): Promise<void> {
    const { account, listOperators } = this.#options;
    const draw = this.#draw;
    draw.askAt = Infinity;
    try {
      using limit = limitTime(LIST_MS, { signal });
      const ids = await listOperators!(limit.signal);
      this.#turn = turnOf(account.operatorId ?? "", ids) ?? this.#turn;
    } catch (error) {
      log.debug("Cannot list the operators before the cert is renewed: {error}", { error: messageOf(error) });
    }
    const info = account.certificate;
    if (this.#turn === undefined || info === undefined || info.serial !== draw.serial) return;
    const nowMs = Date.now();
    const { opensAt, endsAt } = spanOf(info, nowMs);
    const fromMs = Math.max(opensAt, nowMs);
    draw.turnAt = fromMs < endsAt
      ? drawTurn({ fromMs, toMs: endsAt, spread: draw.spread }, this.#turn)
      : this.#ownSecond(nowMs, info);
  }

  /** Undefined if it is not worth the wait. */
  #ownSecond(fromMs: number, info: CertificateInfo): number | undefined {
    if (this.#turn === undefined) return undefined;
    const at = nextTurn(fromMs, this.#turn);
    return at - fromMs <= (info.notAfter - fromMs) * TURN_PART ? at : undefined;
  }
}

/** The shortest wait that the API's answer asks for. */
function askedFor(error: unknown): number {
  const retryAfterMs = error instanceof ApiError ? error.retryAfterMs ?? 0 : 0;
  return isKeyRefused(error) ? Math.max(REFUSED_MS, retryAfterMs) : retryAfterMs;
}

/** Whether there was no answer to go by: nobody there, too many requests, a fault of the cloud. */
function isOutage(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

function isDue(info: CertificateInfo, nowMs: number): boolean {
  return decideRenewal(info, nowMs).action === "renew";
}

/** The first tenth of the window. */
function spanOf(info: CertificateInfo, nowMs: number): { opensAt: number; endsAt: number } {
  const [opensAt, endsAt] = [0, 1].map((spread) => decideRenewal(info, nowMs, { spread }).dueAt);
  return { opensAt: opensAt!, endsAt: endsAt! };
}
