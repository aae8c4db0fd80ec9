import { getLogger } from "@logtape/logtape";
import { RESOLV_CONF, RESOLVER_DIR } from "../names/select.ts";
import type { System } from "../system/system.ts";
import { type Change, Journal } from "./journal.ts";
import type { LiveConfig } from "./live_config.ts";
import { hostsPath, journalPath, resolvConfBackup } from "./places.ts";
import { removeStrays } from "./strays.ts";
import { undo } from "./undo.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Takes away what a daemon that was killed left on this machine: our section of the hosts file, our line in resolv.conf, our interface and
 * routes, the socket. The journal tells what there is; our marks tell it where the journal is lost. True if nothing is left.
 *
 * @throws {BindError} If a daemon is running: it cleans up after itself.
 */
export async function cleanUp(live: LiveConfig, system: System): Promise<boolean> {
  // The socket is the lock: as long as it is held here, no daemon starts in the middle of this.
  const lock = await system.listenLocal(live.current.server.socketPath);
  try {
    const journal = new Journal({ path: journalPath(live), files: system.files });
    const problem = await journal.load();
    if (problem !== undefined) log.warn("{problem}", { problem });
    const clean = await undo([...unwritten(journal, { live, system }), ...journal.changes], {
      journal,
      system,
    });
    await removeStrays(live, system.files);
    if (clean) log.info("Nothing of ngrokd is left in names and addresses");
    return clean;
  } finally {
    lock.close();
  }
}

/** The changes that may have been made though the journal does not have them, the first thing made first. */
function unwritten(journal: Journal, options: { live: LiveConfig; system: System }): Change[] {
  const { live, system } = options;
  const likely: Change[] = [{ kind: "hosts", path: hostsPath(system), created: false }];
  const os = system.operatingSystem();
  const mayWrite = (path: string) => system.holds({ kind: "write", path });
  if (os === "darwin" && mayWrite(RESOLVER_DIR)) likely.unshift({ kind: "resolver_dir", path: RESOLVER_DIR });
  if (os === "linux") {
    const backup = resolvConfBackup(live);
    if (mayWrite(RESOLV_CONF)) likely.unshift({ kind: "resolv_conf", path: RESOLV_CONF, backup });
    likely.unshift({ kind: "addresses" });
  }
  return likely.filter((change) => !journal.has(change));
}
