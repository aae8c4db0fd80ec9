const MAX_MS = 15 * 60_000;
const IMF_FIXDATE = /^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/;

/**
 * Parses the delay in milliseconds that a Retry-After header demands (RFC 9110 10.2.3: seconds or a
 * date), at most 15 minutes. Undefined if there is none, it is invalid, or it is not in the future.
 */
export function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  let waitMs = NaN;
  if (/^[0-9]+$/.test(text)) waitMs = Number(text) * 1000;
  else if (IMF_FIXDATE.test(text)) waitMs = Date.parse(text) - nowMs;
  return waitMs > 0 ? Math.min(waitMs, MAX_MS) : undefined;
}
