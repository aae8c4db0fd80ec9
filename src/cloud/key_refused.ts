import { ApiError } from "../model/errors.ts";

/** The shortest time between two requests with a key that the API has refused, in milliseconds. */
export const REFUSED_MS: number = 5 * 60_000;

/** Whether the API has refused the key. */
export function isKeyRefused(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 401 || error.status === 403) &&
    error.code !== "malformed";
}
