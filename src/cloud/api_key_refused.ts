import { ApiError } from "../model/errors.ts";

/** The shortest pause after a request with a key that the API refused, in milliseconds. */
const REFUSED_MS = 5 * 60_000;

/** Returns true if the API has refused the key. */
export function isKeyRefused(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 401 || error.status === 403) &&
    error.code !== "malformed";
}

/** Returns the delay that the API demands after a failed request, in milliseconds; 0 if none. */
export function demandedDelay(error: unknown): number {
  const retryAfterMs = error instanceof ApiError ? error.retryAfterMs ?? 0 : 0;
  return isKeyRefused(error) ? Math.max(REFUSED_MS, retryAfterMs) : retryAfterMs;
}
