import { demandedDelay, isKeyRefused } from "../cloud/api_key_refused.ts";
import { backoffDelay } from "../lib/backoff.ts";

const MAX_BACKOFF_MS = 5 * 60_000;
const PAGE_MS = 1000;
/** Spreads the polls of all daemons of an account, which share 120 requests a minute. */
const JITTER = 0.1;

/**
 * Returns the time to the next poll in milliseconds: the interval, but at least one second a page
 * (docs/protocol.md 1.4). It doubles with each failure up to five minutes. A refused key waits five
 * minutes at once, and a Retry-After is honoured.
 */
export function nextPollDelay(input: PollDelayInput): number {
  const { intervalMs, failures, error, pages, random = Math.random } = input;
  const floor = pages * PAGE_MS;
  const interval = Math.max(intervalMs, floor);
  const spread = (ms: number) => Math.max(floor, Math.round(ms * (1 - JITTER + 2 * JITTER * random())));
  if (failures === 0) return spread(interval);
  const demanded = demandedDelay(error);
  // Spread upwards only, because a poll before these five minutes is no use.
  if (isKeyRefused(error)) return Math.round(Math.max(interval, demanded) * (1 + JITTER * random()));
  const backedOff = backoffDelay(failures + 1, {
    baseMs: interval,
    maxMs: Math.max(MAX_BACKOFF_MS, interval),
  });
  return Math.max(spread(backedOff), demanded);
}

/** The history that decides the time of the next poll. */
export interface PollDelayInput {
  readonly intervalMs: number;
  /** The number of polls that have failed in a row. */
  readonly failures: number;
  readonly error: unknown;
  /** The number of pages of the last good poll. */
  readonly pages: number;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: (() => number) | undefined;
}
