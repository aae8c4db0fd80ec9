import { ApiClient } from "../../src/cloud/client.ts";
import { createSigningRequest } from "../../src/identity/csr.ts";
import { IdentityStore } from "../../src/identity/store.ts";
import { Account } from "../../src/account/account.ts";
import { realSystem } from "../../src/system/system.ts";
import type { SimulatedCloud } from "../../sim/cloud/cloud.ts";

/** An account of its own that has registered; its identity is kept in the directory. */
export async function register(
  cloud: SimulatedCloud,
  options: { directory: string; signal: AbortSignal },
): Promise<Account> {
  const { directory, signal } = options;
  const account = new Account({
    client: clientOf(cloud),
    store: new IdentityStore({
      directory,
      certPath: `${directory}/tls.crt`,
      keyPath: `${directory}/tls.key`,
      files: realSystem().files,
    }),
    createRequest: createSigningRequest,
    hasKey: () => true,
    selectors: () => ["true"],
  });
  await account.load();
  await account.discover(signal);
  return account;
}

/** A client with the key of the simulator, and a budget of its own. */
export function clientOf(cloud: SimulatedCloud): ApiClient {
  return new ApiClient({
    baseUrl: () => cloud.apiUrl,
    key: () => cloud.apiKey,
    send: realSystem().sendHttp,
    userAgent: "test",
  });
}
