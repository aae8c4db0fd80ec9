import { dirname } from "node:path";
import type { LiveConfig } from "../config/live_config.ts";
import type { System } from "../system/system.ts";

const MODE = 0o700;

/**
 * Creates the directories of the state files and of the private key. Returns one sentence for each
 * in which another user could place or replace files.
 *
 * @throws {FileError} `unsafe` for such a directory if ngrokd runs as root.
 */
export async function prepareDirectories(live: LiveConfig, files: System["files"]): Promise<string[]> {
  const { clientCert, clientKey } = live.current.server;
  const problems: string[] = [];
  for (const directory of new Set([dirname(clientCert), dirname(clientKey)])) {
    await files.makeDirectory(directory, MODE);
    const problem = await files.checkDirectory(directory);
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}
