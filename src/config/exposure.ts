import { VIRTUAL } from "../model/listen_mode.ts";
import type { Config } from "./config.ts";

/** A warning for each listen interface that other machines can reach (docs/reliability.md 3). */
export function exposureWarnings({ listenInterface, overrides }: Config["net"]): string[] {
  const targets = Object.entries(overrides).map(([host, target]) => [`net.overrides.${host}`, target]);
  return [["net.listen_interface", listenInterface], ...targets]
    .filter(([, target]) => isExposed(target!))
    .map(([path, target]) =>
      `${path}: clients in net.allow_cidrs can reach these private endpoints on "${target}"`
    );
}

function isExposed(target: string): boolean {
  return target !== VIRTUAL && !target.startsWith("127.") && target !== "lo";
}
