import { dirname } from "node:path";
import type { LiveConfig } from "../config/live_config.ts";
import { FileError } from "../model/errors.ts";
import type { System } from "../system/system.ts";

const MODE = 0o700;

/**
 * Creates the directories of the state files and of the private key, and checks them as {@linkcode
 * checkDirectories} does.
 *
 * @throws {FileError} If a directory cannot be made, and as {@linkcode checkDirectories}.
 */
export async function prepareDirectories(live: LiveConfig, files: System["files"]): Promise<string[]> {
  for (const directory of directoriesOf(live)) await files.makeDirectory(directory, MODE);
  return await checkDirectories(live, files);
}

/**
 * Checks the directories of the state files and of the private key, if they exist. Returns one
 * sentence for each in which another user could place or replace files.
 *
 * @throws {FileError} `unsafe` for such a directory if ngrokd runs as root.
 */
export async function checkDirectories(live: LiveConfig, files: System["files"]): Promise<string[]> {
  const problems: string[] = [];
  for (const directory of directoriesOf(live)) {
    try {
      const problem = await files.checkDirectory(directory);
      if (problem !== undefined) problems.push(problem);
    } catch (error) {
      if (!(error instanceof FileError) || error.reason !== "missing") throw error;
    }
  }
  return problems;
}

function directoriesOf(live: LiveConfig): Set<string> {
  const { clientCert, clientKey } = live.current.server;
  return new Set([dirname(clientCert), dirname(clientKey)]);
}
