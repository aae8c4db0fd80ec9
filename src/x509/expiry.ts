const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A CA of ten years is told of in its last month, a certificate of 90 days in its last nine days. */
const NEAR_MS = 30 * DAY_MS;
const NEAR_PART = 1 / 10;

/** The dates of a certificate, milliseconds since the epoch. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Whether it is valid and will not be soon: less than a tenth of its life is left, and less than 30 days. */
export function isNearExpiry({ notBefore, notAfter }: Validity, nowMs: number): boolean {
  const leftMs = notAfter - nowMs;
  return leftMs >= 0 && leftMs < Math.min(NEAR_MS, (notAfter - notBefore) * NEAR_PART);
}

/** Why its dates forbid its use now, as it goes on from its name; undefined if they do not. */
export function validityProblem({ notBefore, notAfter }: Validity, nowMs: number): string | undefined {
  if (nowMs > notAfter) return `expired on ${isoTime(notAfter)}`;
  if (nowMs >= notBefore) return undefined;
  return `is not valid before ${isoTime(notBefore)} (this machine's clock says ${isoTime(nowMs)})`;
}

/** When it ends, and how long that is from now. */
export function expiryText({ notAfter }: Validity, nowMs: number): string {
  return `${isoTime(notAfter)}, in ${inWords(notAfter - nowMs)}`;
}

/** RFC 3339 without the milliseconds. */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function inWords(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`;
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} hours`;
  return `${Math.max(0, Math.floor(ms / 60_000))} min`;
}
