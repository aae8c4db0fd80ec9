import { ApiError } from "../model/errors.ts";

/** The shortest pause after a request with a key that the API refused, in milliseconds. */
export const REFUSED_MS: number = 5 * 60_000;

/** True if the API has refused the key. */
export function isKeyRefused(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 401 || error.status === 403) &&
    error.code !== "malformed";
}
