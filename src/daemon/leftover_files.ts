import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { LiveConfig } from "../config/live_config.ts";
import { messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Removes the temporary files of a daemon that was killed while it saved; one may hold a private
 * key.
 */
export async function removeLeftoverFiles(live: LiveConfig, files: System["files"]): Promise<void> {
  const { clientCert, clientKey } = live.current.server;
  try {
    const saved = [clientCert, clientKey, await files.realPath(live.path)];
    for (const directory of new Set(saved.map(dirname))) await files.removeTemporaries(directory);
  } catch (error) {
    log.warn("Problem with temporary files: {error}", { error: messageOf(error) });
  }
}
