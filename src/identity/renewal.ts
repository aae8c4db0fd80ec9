import { backoffDelay } from "../lib/backoff.ts";
import type { Validity } from "../x509/expiry.ts";

/** What is to be done about a certificate. */
export interface RenewalDecision {
  readonly action: "keep" | "renew";
  /** When it is or was due, milliseconds since the epoch. */
  readonly dueAt: number;
}

/** Options of {@linkcode decideRenewal}. */
export interface RenewalOptions {
  /** A number in [0, 1): which moment of the first tenth of the window, so that a fleet does not act at once. @default {0} */
  readonly spread?: number;
}

const SKEW_MS = 24 * 3600_000;
/** A third of its life before the end. */
const WINDOW = 1 / 3;
/** The part of the window in which the renewal begins (RELIABILITY.md R37). */
const SPREAD = 1 / 10;
const SOONEST_MS = 5_000;
const FIRST_RETRY_MS = 60_000;
/** Of the time that is left, so that there are always tries before the end. */
const MOST = 1 / 10;

/**
 * Whether a certificate is due: a third of its life or less is left, or it begins more than a day ahead. (Less than that is a clock that
 * is slow: the cloud does not back-date, PROTOCOL.md 1.6.)
 */
export function decideRenewal(info: Validity, nowMs: number, options: RenewalOptions = {}): RenewalDecision {
  const { spread = 0 } = options;
  const { notAfter } = info;
  if (beginsAhead(info, nowMs)) return { action: "renew", dueAt: nowMs };
  const windowMs = lifeOf(info) * WINDOW;
  const dueAt = notAfter - windowMs + Math.floor(windowMs * SPREAD * spread);
  return { action: nowMs >= dueAt ? "renew" : "keep", dueAt };
}

/** Whether a certificate begins further ahead than a slow clock explains. */
export function beginsAhead({ notBefore }: Validity, nowMs: number): boolean {
  return notBefore - nowMs > SKEW_MS;
}

/** What decides when a renewal that failed is tried again. */
export interface RetryInput {
  readonly info: Validity;
  readonly nowMs: number;
  /** How many in a row have failed, from 1. */
  readonly failures: number;
  /** The longest delay. */
  readonly maxMs: number;
  /** Whether there was no answer to go by, as against one that is no good. */
  readonly isOutage: boolean;
  /** What the cloud asked for; 0 if nothing. */
  readonly retryAfterMs: number;
  /** A number in [0, 1). */
  readonly random: number;
}

/**
 * The delay in milliseconds: doubled from a minute (or a twentieth of the window, if that is shorter), half of it drawn at random, and
 * never more than a tenth of what is left, nor, in an outage, a minute once nothing is left, unless the cloud asks for more.
 */
export function retryDelay(input: RetryInput): number {
  const { info, nowMs, failures, maxMs, isOutage, retryAfterMs, random } = input;
  const baseMs = Math.min(FIRST_RETRY_MS, lifeOf(info) * WINDOW / 20);
  const leftMs = info.notAfter - nowMs;
  const most = Math.min(maxMs, leftMs > 0 ? leftMs * MOST : isOutage ? FIRST_RETRY_MS : maxMs);
  const delay = backoffDelay(failures, { baseMs, maxMs: most, jitter: 0.5, random: () => random });
  return Math.max(SOONEST_MS, delay, retryAfterMs);
}

function lifeOf({ notBefore, notAfter }: Validity): number {
  return Math.max(0, notAfter - notBefore);
}
