import { dirname } from "node:path";
import type { LiveConfig } from "../config/live_config.ts";
import { type StatePaths, statePathsIn } from "../model/state_files.ts";
import { HOSTS } from "../names/select.ts";
import type { System } from "../system/system.ts";

/**
 * Returns the state directory, which is the directory of the client certificate
 * (docs/compatibility.md 4.5).
 */
export function stateDirectory(live: LiveConfig): string {
  return dirname(live.current.server.clientCert);
}

/** Returns the paths of all state files. */
export function statePaths(live: LiveConfig): StatePaths {
  return statePathsIn(stateDirectory(live));
}

/** Returns the hosts file with ngrokd's section. */
export function hostsPath(system: Pick<System, "readEnvironment">): string {
  return system.readEnvironment("NGROKD_HOSTS_PATH") ?? HOSTS;
}
