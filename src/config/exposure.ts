import { isSharedListenMode } from "../model/listen_mode.ts";
import type { Config } from "./config.ts";

/**
 * Returns a warning for each listen interface that other machines can reach (docs/reliability.md
 * 3).
 */
export function exposureWarnings({ listenInterface, overrides }: Config["net"]): string[] {
  const modes = Object.entries(overrides).map(([host, mode]) => [`net.overrides.${host}`, mode]);
  return [["net.listen_interface", listenInterface], ...modes]
    .filter(([, mode]) => isSharedListenMode(mode!))
    .map(([path, mode]) =>
      `${path}: clients in net.allow_cidrs can reach these private endpoints on "${mode}"`
    );
}
