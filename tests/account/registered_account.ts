import { Account } from "../../src/account/account.ts";
import { IngressMemory } from "../../src/account/ingress_memory.ts";
import { RegistrationMarker } from "../../src/account/registration_marker.ts";
import { createSigningRequest } from "../../src/identity/csr.ts";
import { IdentityStore } from "../../src/identity/store.ts";
import { statePathsIn } from "../../src/model/state_files.ts";
import { realSystem } from "../../src/system/system.ts";
import { checkTlsPair } from "../../src/system/tls_pair.ts";
import type { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { apiClient } from "../fakes/fake_api.ts";

/** An account that has registered with the simulated cloud; its identity is in the directory. */
export async function register(
  cloud: SimulatedCloud,
  options: { directory: string; signal: AbortSignal },
): Promise<Account> {
  const { directory, signal } = options;
  const { files } = realSystem();
  const paths = statePathsIn(directory);
  const account = new Account({
    client: apiClient({ baseUrl: () => cloud.apiUrl, key: () => cloud.apiKey }),
    store: new IdentityStore({
      directory,
      certPath: `${directory}/tls.crt`,
      keyPath: `${directory}/tls.key`,
      files,
      checkTls: checkTlsPair,
    }),
    marker: new RegistrationMarker(paths.registrationMarker, files),
    ingress: new IngressMemory(paths.ingressEndpoint, files),
    createRequest: createSigningRequest,
    hasKey: () => true,
    selectors: () => ["true"],
  });
  await account.load();
  await account.discover(signal);
  return account;
}
