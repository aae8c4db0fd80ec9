import { backoffDelay } from "../lib/backoff.ts";
import { demandedDelay, isKeyRefused, REFUSED_MS } from "../cloud/key_refused.ts";
import { ApiError } from "../model/errors.ts";
import type { ApiState } from "../model/report.ts";

/** What decides when the next poll is. */
export interface PaceInput {
  readonly intervalMs: number;
  /** How many polls in a row have failed. */
  readonly failures: number;
  readonly error: unknown;
  /** How many pages the last good poll took. */
  readonly pages: number;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: (() => number) | undefined;
}

const MAX_BACKOFF_MS = 5 * 60_000;
const PAGE_MS = 1000;
/** Daemons of one account share 120 requests a minute: a tenth of the interval keeps them apart. */
const JITTER = 0.1;

/**
 * The time to the next poll in milliseconds: the interval, never below one second a page (PROTOCOL.md 1.4); after failures it doubles up
 * to five minutes, a refused key waits those five minutes at once, and a Retry-After is honoured.
 */
export function nextPollDelay(input: PaceInput): number {
  const { intervalMs, failures, error, pages, random = Math.random } = input;
  const floor = pages * PAGE_MS;
  const steady = Math.max(intervalMs, floor);
  const spread = (ms: number) => Math.max(floor, Math.round(ms * (1 - JITTER + 2 * JITTER * random())));
  if (failures === 0) return spread(steady);
  // Never sooner than asked for, so it is spread upwards only.
  if (isKeyRefused(error)) return Math.round(Math.max(steady, REFUSED_MS) * (1 + JITTER * random()));
  const backedOff = Math.max(
    steady,
    backoffDelay(failures + 1, { baseMs: steady, maxMs: Math.max(MAX_BACKOFF_MS, steady) }),
  );
  return Math.max(spread(backedOff), demandedDelay(error));
}

/** What a failed call says about the API. */
export function apiStateOf(error: unknown): ApiState {
  if (isKeyRefused(error)) return "key_refused";
  if (!(error instanceof ApiError)) return "failing";
  if (error.status === 429) return "rate_limited";
  return ["unreachable", "timeout", "proxy"].includes(error.code) ? "unreachable" : "failing";
}
