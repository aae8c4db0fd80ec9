import { resolve } from "node:path";
import type { ConfigProblem } from "../model/errors.ts";
import { STATE_FILES, statePathsIn } from "../model/state_files.ts";
import type { Config } from "./config.ts";

/**
 * Returns a problem for each key that names a file of another key, a state file or the
 * configuration itself. ngrokd would overwrite one with the other: a private key in place of the
 * configuration.
 */
export function sharedFiles(config: Config, configPath?: string): ConfigProblem[] {
  const { clientCert, clientKey, socketPath, ingressCa } = config.server;
  const owners = new Map<string, string>();
  if (configPath !== undefined) owners.set(resolve(configPath), "the configuration");
  const directory = resolve(clientCert, "..");
  const statePaths = statePathsIn(directory);
  for (const name of Object.keys(STATE_FILES) as (keyof typeof STATE_FILES)[]) {
    owners.set(statePaths[name], `${STATE_FILES[name]}, which ngrokd writes`);
  }
  const named = [
    ["server.client_cert", clientCert],
    ["server.client_key", clientKey],
    ["server.socket_path", socketPath],
    ["server.ingress_ca", ingressCa],
  ] as const;
  return named.flatMap(([key, path]) => {
    if (path === undefined || path === "") return [];
    const owner = owners.get(resolve(path));
    owners.set(resolve(path), owner ?? key);
    if (owner === undefined) return [];
    return [{ path: key, message: `it is the same file as ${owner}`, suggestion: "Use another file" }];
  });
}
