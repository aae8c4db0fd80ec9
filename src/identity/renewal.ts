import { backoffDelay } from "../lib/backoff.ts";
import type { Validity } from "../x509/expiry.ts";

const SKEW_MS = 24 * 3600_000;
/** The last third of the life. */
const WINDOW = 1 / 3;
/** The part of the window in which the renewal begins (docs/reliability.md R37). */
const SPREAD = 1 / 10;
const MIN_RETRY_MS = 5_000;
const FIRST_RETRY_MS = 60_000;
/**
 * The longest delay as a part of the remaining life, so that attempts always remain before the end.
 */
const MAX_PART = 1 / 10;

/**
 * Decides whether a certificate is due: a third of its life or less is left, or it begins more than
 * a day ahead. Less than a day is a slow clock, because the cloud does not back-date
 * (docs/protocol.md 1.6).
 */
export function decideRenewal(
  info: Validity,
  nowMs: number,
  options: RenewalOptions = {},
): RenewalDecision {
  const { spread = 0 } = options;
  if (beginsAhead(info, nowMs)) return { action: "renew", dueAt: nowMs };
  const windowMs = lifeOf(info) * WINDOW;
  const dueAt = info.notAfter - windowMs + Math.floor(windowMs * SPREAD * spread);
  return { action: nowMs >= dueAt ? "renew" : "keep", dueAt };
}

/** Returns true if a certificate begins further ahead than a slow clock explains. */
export function beginsAhead({ notBefore }: Validity, nowMs: number): boolean {
  return notBefore - nowMs > SKEW_MS;
}

/**
 * Returns the delay before the next attempt of a renewal, in milliseconds. It doubles from a minute
 * (or from a twentieth of the window, if that is shorter), half of it random, up to a tenth of the
 * remaining life; after the end it is at most a minute in an outage. It is never shorter than the
 * API demands.
 */
export function retryDelay(input: RetryInput): number {
  const { info, nowMs, failures, maxMs, isOutage, retryAfterMs, random } = input;
  const baseMs = Math.min(FIRST_RETRY_MS, lifeOf(info) * WINDOW / 20);
  const leftMs = info.notAfter - nowMs;
  const most = Math.min(maxMs, leftMs > 0 ? leftMs * MAX_PART : isOutage ? FIRST_RETRY_MS : maxMs);
  const delay = backoffDelay(failures, { baseMs, maxMs: most, jitter: 0.5, random: () => random });
  return Math.max(MIN_RETRY_MS, delay, retryAfterMs);
}

/** The decision about a certificate. */
export interface RenewalDecision {
  readonly action: "keep" | "renew";
  /** The time at which it is or was due, milliseconds since the epoch. */
  readonly dueAt: number;
}

/** Options of {@linkcode decideRenewal}. */
export interface RenewalOptions {
  /** The moment in the first tenth of the window, in [0, 1); it spreads a fleet. @default {0} */
  readonly spread?: number;
}

/** Input of {@linkcode retryDelay}. */
export interface RetryInput {
  readonly info: Validity;
  readonly nowMs: number;
  /** The number of failures in a row, from 1. */
  readonly failures: number;
  /** The longest delay. */
  readonly maxMs: number;
  /** True if there was no response of the API, as against a certificate that cannot be used. */
  readonly isOutage: boolean;
  /** The delay that the API demands; 0 if none. */
  readonly retryAfterMs: number;
  /** A number in [0, 1). */
  readonly random: number;
}

function lifeOf({ notBefore, notAfter }: Validity): number {
  return Math.max(0, notAfter - notBefore);
}
