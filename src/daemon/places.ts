import { dirname } from "node:path";
import { HOSTS } from "../names/select.ts";
import type { System } from "../system/system.ts";
import type { LiveConfig } from "../config/live_config.ts";

/** The directory of the client certificate is where all state lives (COMPAT.md 4.5). */
export function stateDirectory(live: LiveConfig): string {
  return dirname(live.current.server.clientCert);
}

/** Where changes of this machine are written down. */
export function journalPath(live: LiveConfig): string {
  return `${stateDirectory(live)}/journal.json`;
}

/** Where a CA of the ingress that was learnt is kept. */
export function learntCaPath(live: LiveConfig): string {
  return `${stateDirectory(live)}/ingress_ca.pem`;
}

/** Where it is kept which ingress the cloud has named. */
export function ingressMemoryPath(live: LiveConfig): string {
  return `${stateDirectory(live)}/ingress_endpoint.json`;
}

/** Where it is kept when the certificate was renewed. */
export function lastRenewalPath(live: LiveConfig): string {
  return `${stateDirectory(live)}/last_renewal.json`;
}

/** Where resolv.conf as others want it is kept meanwhile. */
export function resolvConfBackup(live: LiveConfig): string {
  return `${stateDirectory(live)}/resolv.conf.bak`;
}

/** The hosts file that is ours to keep a section in. */
export function hostsPath(system: Pick<System, "readEnvironment">): string {
  return system.readEnvironment("NGROKD_HOSTS_PATH") ?? HOSTS;
}
