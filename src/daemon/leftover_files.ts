import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { LiveConfig } from "../config/live_config.ts";
import { messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";
import { statePaths } from "./paths.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Removes the temporary files of a daemon that was killed while it saved; one may hold a private
 * key.
 */
export async function removeLeftoverFiles(live: LiveConfig, options: LeftoverOptions): Promise<void> {
  const { files, onRemoved = (path) => log.info("Removed {path}", { path }) } = options;
  const { clientCert, clientKey } = live.current.server;
  try {
    const saved = [clientCert, clientKey, await files.realPath(live.path)];
    for (const directory of new Set(saved.map(dirname))) {
      for (const path of await files.removeTemporaries(directory)) onRemoved(path);
    }
  } catch (error) {
    log.warn("Problem with temporary files: {error}", { error: messageOf(error) });
  }
}

/**
 * Removes the signing request of the Go daemon, which is for a key that a renewal replaces. The Go
 * daemon makes it again from the key.
 */
export async function removeSigningRequest(live: LiveConfig, files: System["files"]): Promise<void> {
  const { signingRequest } = statePaths(live);
  try {
    if (await files.statPath(signingRequest) === undefined) return;
    await files.removeFile(signingRequest);
    log.info("Removed the signing request of the Go daemon", { path: signingRequest });
  } catch (error) {
    log.warn("Cannot remove the signing request of the Go daemon: {error}", { error: messageOf(error) });
  }
}

/** Options of {@linkcode removeLeftoverFiles}. */
export interface LeftoverOptions {
  readonly files: System["files"];
  /** Called with the path of each file that is removed. @default {it is logged} */
  readonly onRemoved?: (path: string) => void;
}
