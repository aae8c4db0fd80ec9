import type { ApiClient } from "../cloud/client.ts";
import { ApiError } from "../model/errors.ts";

/**
 * Asks the API whether it takes the key of this client. An API that cannot answer is no verdict: the key is taken then.
 *
 * @throws {ApiError} If it refuses the key (401 or 403).
 */
export async function verifyKey(client: ApiClient, signal: AbortSignal): Promise<void> {
  try {
    await client.request("GET", "/kubernetes_operators?limit=1", { action: "verify the API key", signal });
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) throw error;
  }
}
