import type { ApiClient } from "./client.ts";

/**
 * Asks the API whether it accepts the key of this client.
 *
 * @throws {ApiError} If it refuses the key, or if there is no usable response.
 */
export async function verifyKey(
  client: ApiClient,
  options: { signal: AbortSignal; maxWaitMs: number },
): Promise<void> {
  await client.request("GET", "/kubernetes_operators?limit=1", { action: "verify the API key", ...options });
}
