import { getLogger } from "@logtape/logtape";
import { RESOLV_CONF, RESOLVER_DIR } from "../names/select.ts";
import type { System } from "../system/system.ts";
import { type Change, Journal } from "../undo/journal.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { lockMachine, SOCKET_GROUP } from "./machine_lock.ts";
import { hostsPath, statePaths } from "./paths.ts";
import { removeStrays } from "./strays.ts";
import { undo } from "../undo/undo.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Takes away what a daemon that was killed left on this machine: our section of the hosts file, our line in resolv.conf, our interface and
 * routes, the socket. The journal tells what there is; our marks tell it where the journal is lost. True if nothing is left.
 *
 * @throws {BindError} If a daemon is running: it cleans up after itself.
 */
export async function cleanUp(live: LiveConfig, system: System): Promise<boolean> {
  // The socket is the lock: as long as it is held here, no daemon starts in the middle of this.
  const lock = await system.listenLocal(live.current.server.socketPath, { group: SOCKET_GROUP });
  try {
    await using _machine = await lockMachine(live, system);
    const journal = new Journal({ path: statePaths(live).journal, files: system.files });
    const problem = await journal.load();
    if (problem !== undefined) log.warn("{problem}", { problem });
    const { names, addresses } = unwritten(journal, { live, system });
    // Where `ip` cannot be run, nothing was ever made with it: no failure, but nothing to promise either.
    const looked = await undo(addresses, { journal, system });
    const clean = await undo([...names, ...journal.changes], { journal, system });
    await removeStrays(live, system.files);
    const { interfaceName } = live.current.net;
    if (!looked) {
      log.warn("Cannot check for a leftover interface; if one exists, run: ip link delete {interfaceName}", {
        interfaceName,
      });
    } else if (clean) log.info("Nothing of ngrokd is left in names and addresses");
    return clean;
  } finally {
    lock.close();
  }
}

/** The changes that may have been made though the journal does not have them, the first thing made first. */
function unwritten(
  journal: Journal,
  options: { live: LiveConfig; system: System },
): { readonly [kind in "names" | "addresses"]: Change[] } {
  const { live, system } = options;
  const os = system.operatingSystem();
  const mayWrite = (path: string) => system.holds({ kind: "write", path });
  const names: Change[] = [];
  if (os === "linux" && mayWrite(RESOLV_CONF)) {
    names.push({ kind: "resolv_conf", path: RESOLV_CONF, backup: statePaths(live).resolvConfBackup });
  }
  if (os === "darwin" && mayWrite(RESOLVER_DIR)) names.push({ kind: "resolver_dir", path: RESOLVER_DIR });
  names.push({ kind: "hosts", path: hostsPath(system), created: false });
  const addresses: Change[] = os === "linux" ? [{ kind: "addresses" }] : [];
  const isMissing = (change: Change) => !journal.has(change);
  return { names: names.filter(isMissing), addresses: addresses.filter(isMissing) };
}
