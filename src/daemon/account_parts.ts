import { Account } from "../account/account.ts";
import { IngressChoice } from "../account/ingress_choice.ts";
import { IngressMemory } from "../account/ingress_memory.ts";
import { RegistrationMarker } from "../account/registration_marker.ts";
import { RenewalMemory } from "../account/renewal_memory.ts";
import { Renewals } from "../account/renewals.ts";
import { ApiClient, type ApiClientOptions } from "../cloud/client.ts";
import { operatorIngress } from "../cloud/operator_ingress.ts";
import { RequestBudget } from "../cloud/request_budget.ts";
import { DEFAULT_INGRESS } from "../config/config.ts";
import { createSigningRequest } from "../identity/csr.ts";
import { IdentityStore } from "../identity/store.ts";
import { Attempts } from "../lib/attempts.ts";
import { VERSION } from "../lib/version.ts";
import type { Daemon, Surroundings } from "./daemon.ts";
import { stateDirectory, statePaths } from "./paths.ts";

/**
 * Creates the API client, the account, its renewals and its ingress.
 *
 * @throws {FileError} If the private key cannot be used.
 */
export async function openAccount(
  { live, system }: Surroundings,
): Promise<AccountParts> {
  const { files } = system;
  const paths = statePaths(live);
  const budget = new RequestBudget();
  const requests = new Attempts();
  const clientWith = (key: () => string): ApiClient =>
    new ApiClient({ ...apiOptions({ live, system }), key, budget, attempts: requests });
  const { clientCert: certPath, clientKey: keyPath } = live.current.server;
  const marker = new RegistrationMarker(paths.registrationMarker, files);
  const ingressMemory = new IngressMemory(paths.ingressEndpoint, files);
  const account = new Account({
    client: clientWith(() => live.apiKey.key),
    store: new IdentityStore({
      directory: stateDirectory(live),
      certPath,
      keyPath,
      files,
      checkTls: system.checkTlsPair,
    }),
    marker,
    ingress: ingressMemory,
    createRequest: createSigningRequest,
    hasKey: () => live.apiKey.key !== "",
    selectors: () => live.current.boundEndpoints.selectors,
  });
  await account.load();
  const renewalMemory = new RenewalMemory(paths.lastRenewal, files);
  await renewalMemory.load();
  const renewals = new Renewals({
    account,
    intervalMs: () => live.current.server.certRefreshIntervalMs,
    memory: renewalMemory,
  });
  const ingressChoice = new IngressChoice({
    configured: () => live.current.ingressEndpoint,
    named: () =>
      operatorIngress(account.ingressEndpoint, { holds: system.holds, apiUrl: live.current.api.url }),
    fallback: DEFAULT_INGRESS,
  });
  const ingress = () => ingressChoice.target;
  const memoryProblems = () =>
    [marker, ingressMemory, renewalMemory].flatMap(({ problem }) => problem === undefined ? [] : [problem]);
  return { clientWith, requests, account, renewals, ingress, ingressChoice, memoryProblems };
}

/** The parts of the account path. */
export type AccountParts = Pick<
  Daemon,
  "clientWith" | "requests" | "account" | "renewals" | "ingress" | "ingressChoice" | "memoryProblems"
>;

/** Returns the options that every client of the configured API has. */
export function apiOptions({ live, system }: Pick<Surroundings, "live" | "system">): ApiClientOptions {
  return {
    baseUrl: () => live.current.api.url,
    key: () => live.apiKey.key,
    send: system.sendHttp,
    proxy: () => live.apiProxy.proxy,
    userAgent: `ngrokd/${VERSION}`,
  };
}
