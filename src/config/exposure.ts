import { isSharedListenMode } from "../model/listen_mode.ts";
import type { Config } from "./config.ts";

/**
 * Returns a warning for each listen interface that other machines can reach (docs/reliability.md
 * 3).
 */
export function exposureWarnings({ listenInterface, overrides }: Config["net"]): string[] {
  const interfaces = Object.entries(overrides).map(([host, name]) => [`net.overrides.${host}`, name]);
  return [["net.listen_interface", listenInterface], ...interfaces]
    .filter(([, name]) => isSharedListenMode(name!))
    .map(([path, name]) =>
      `${path}: clients in net.allow_cidrs can reach these private endpoints on "${name}"`
    );
}
