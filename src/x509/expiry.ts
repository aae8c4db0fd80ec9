const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A certificate is near its expiry in the last 30 days, or in the last tenth of a shorter life. */
const NEAR_MS = 30 * DAY_MS;
const NEAR_PART = 1 / 10;

/** The validity dates of a certificate, milliseconds since the epoch. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Returns true if it has not expired but will soon. */
export function isNearExpiry({ notBefore, notAfter }: Validity, nowMs: number): boolean {
  const leftMs = notAfter - nowMs;
  return leftMs >= 0 && leftMs < Math.min(NEAR_MS, (notAfter - notBefore) * NEAR_PART);
}

/**
 * Returns the reason why its dates do not permit its use now; undefined if they do. Continues a
 * sentence that begins with its name.
 */
export function validityProblem({ notBefore, notAfter }: Validity, nowMs: number): string | undefined {
  if (nowMs > notAfter) return `expired on ${isoTime(notAfter)}`;
  if (nowMs >= notBefore) return undefined;
  return `is not valid before ${isoTime(notBefore)} (this machine's clock says ${isoTime(nowMs)})`;
}

/** Returns the time of its expiry, and the time left. */
export function expiryText({ notAfter }: Validity, nowMs: number): string {
  return `${isoTime(notAfter)}, in ${inWords(notAfter - nowMs)}`;
}

/** Returns the time in RFC 3339 format without milliseconds. */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Returns a duration as whole days, below 2 days as hours, below 2 hours as minutes. */
export function inWords(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`;
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} hours`;
  return `${Math.max(0, Math.floor(ms / 60_000))} min`;
}
