import { getLogger } from "@logtape/logtape";
import { withConfig } from "../config/paths.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { CANNOT_START, CommandError, FileError } from "../model/errors.ts";
import type { Cidr } from "../lib/ipv4.ts";
import { NftProgram } from "../network/nft_program.ts";
import { SubnetMemory } from "../network/subnet_memory.ts";
import { hasServer } from "../names/resolver/resolv_conf_text.ts";
import { RESOLV_CONF, RESOLVER_DIR } from "../names/select.ts";
import type { System } from "../system/system.ts";
import { type Change, Journal, type ResolvConfChange } from "../undo/journal.ts";
import { undo } from "../undo/undo.ts";
import { checkDirectories } from "./directories.ts";
import { removeLeftoverFiles } from "./leftover_files.ts";
import { loadJournal } from "./load_journal.ts";
import { excludeDaemons } from "./machine_lock.ts";
import { hostsPath, statePaths } from "./paths.ts";
import { virtualSubnets } from "./virtual_subnets.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Removes everything that a killed daemon left on this machine: its section in the hosts file, its
 * two lines in resolv.conf, its interface, routes and redirects, its socket. They are found by the
 * journal, and by their markers if the journal is lost, or if another user could have written it.
 * Returns true if nothing is left, as far as this process can know.
 *
 * @throws {BindError} If a daemon is running, which cleans up by itself.
 */
export async function cleanUp(live: LiveConfig, system: System): Promise<boolean> {
  await using _exclusion = await excludeDaemons(live, system);
  const journal = new Journal(statePaths(live).journal, system.files);
  const isStateSafe = await checkState(live, system.files);
  for (const error of isStateSafe ? await loadJournal(journal, { live, system }) : []) {
    log.warn("Problem with the journal: {error}", { error });
  }
  const replacing = isStateSafe ? await readReplacingSubnet(live, system.files) : [];
  const { names, addresses } = unrecordedChanges(journal, { live, system });
  const { interfaceName } = live.current.net;
  const subnets = [...virtualSubnets(live), ...replacing];
  const options = { journal, system, subnets, interfaceName };
  // A machine where `ip` cannot run has no interface of ngrokd, but nobody can check that.
  const { resolvConf } = journal;
  const isChecked = await undo(addresses, options);
  await removeUnrecordedRedirects(journal, system);
  const isUndone = await undo([...names, ...journal.changes], options);
  const isClean = await isResolverClean(live, { system, recorded: resolvConf }) && isUndone && isStateSafe;
  if (isStateSafe) await removeLeftoverFiles(live, system);
  if (!isChecked) {
    log.warn("Cannot check for a leftover interface; if one exists, run: ip link delete {interfaceName}", {
      interfaceName,
    });
  } else if (isClean) log.info("No names and addresses of ngrokd are left");
  return isClean;
}

/** Returns the subnet that the last run used instead of the configured one, if it did. */
async function readReplacingSubnet(live: LiveConfig, files: System["files"]): Promise<Cidr[]> {
  const memory = new SubnetMemory({ path: statePaths(live).subnet, files });
  const subnet = await memory.recall(live.current.net.subnet);
  return subnet === undefined ? [] : [subnet];
}

/** Returns false, and logs the reason, if another user could have written the journal. */
async function checkState(live: LiveConfig, files: System["files"]): Promise<boolean> {
  try {
    for (const error of await checkDirectories(live, files)) {
      log.warn("Problem with the state directory: {error}", { error });
    }
    return true;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    log.error("Cannot use the journal: {error}", { error: error.message, hint: error.hint });
    return false;
  }
}

/**
 * Checks the resolver of a process that may not change it: returns false, and reports it, if it has
 * changes of ngrokd or cannot be read.
 */
async function isResolverClean(
  live: LiveConfig,
  { system, recorded }: { readonly system: System; readonly recorded: ResolvConfChange | undefined },
): Promise<boolean> {
  const { files, holds, operatingSystem } = system;
  const os = operatingSystem();
  const path = os === "darwin" ? RESOLVER_DIR : RESOLV_CONF;
  if ((os !== "linux" && os !== "darwin") || holds({ kind: "write", path })) return true;
  if (os === "linux" && await hasNoServer(files, recorded)) return true;
  log.error("{path} may hold changes of ngrokd: the permission set does not allow changing it", {
    path,
    hint: `Run: ${withConfig("ngrokd cleanup", live.path)}`,
  });
  return false;
}

async function hasNoServer(
  files: System["files"],
  { server: written, earlier }: Partial<ResolvConfChange> = {},
): Promise<boolean> {
  try {
    return !hasServer(await files.readTextIfAny(RESOLV_CONF) ?? "", { written, earlier });
  } catch {
    return false;
  }
}

/**
 * Removes redirects that the journal does not have. A machine where nft cannot start has none,
 * unless somebody has removed the program.
 */
export async function removeUnrecordedRedirects(journal: Journal, system: System): Promise<void> {
  if (system.operatingSystem() !== "linux" || journal.has({ kind: "redirects" })) return;
  try {
    const removed = "the redirects of held ports";
    if (await new NftProgram(system.run).deleteAny()) log.info("Removed {removed}", { removed });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (error.exitCode === CANNOT_START) return;
    log.warn("Cannot check for leftover redirects; if some exist, run: nft delete table ip ngrokd", {
      error: error.message,
    });
  }
}

/**
 * Returns the changes that may have been made although the journal does not have them, in the order
 * of their making.
 */
function unrecordedChanges(
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
