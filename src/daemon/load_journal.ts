import { HOSTS, RESOLV_CONF, RESOLVER_DIR } from "../names/select.ts";
import { dropForeign } from "../undo/foreign_changes.ts";
import type { Journal } from "../undo/journal.ts";
import type { Surroundings } from "./daemon.ts";
import { hostsPath, statePaths } from "./paths.ts";

/**
 * Reads the journal, and drops what names a file that is not ngrokd's. Returns one sentence for
 * each problem.
 */
export async function loadJournal(
  journal: Journal,
  { live, system }: Pick<Surroundings, "live" | "system">,
): Promise<string[]> {
  const damage = await journal.load();
  const foreign = await dropForeign(journal, {
    hosts: [hostsPath(system), HOSTS],
    resolvConf: { path: RESOLV_CONF, backup: statePaths(live).resolvConfBackup },
    resolverDir: system.operatingSystem() === "darwin" ? RESOLVER_DIR : undefined,
    files: system.files,
  });
  return [...damage, ...foreign];
}
