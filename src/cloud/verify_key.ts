import type { ApiClient } from "./client.ts";

/**
 * Asks the API whether it takes the key of this client.
 *
 * @throws {ApiError} If it refuses the key, and if it cannot say: a key that is in use goes on then.
 */
export async function verifyKey(
  client: ApiClient,
  options: { signal: AbortSignal; patienceMs: number },
): Promise<void> {
  await client.request("GET", "/kubernetes_operators?limit=1", { action: "verify the API key", ...options });
}
