import { getLogger } from "@logtape/logtape";
import { DnsController } from "../dns/controller.ts";
import { isNetworkMode } from "../dns/plan.ts";
import { PublishedNames } from "../names/hosts/published_names.ts";
import { choosePublisher, chooseResolver, HOSTS, RESOLV_CONF, RESOLVER_DIR } from "../names/select.ts";
import { Addresses } from "../network/addresses.ts";
import { isLoopbackSubnet } from "../network/loopback_subnet.ts";
import { resolveInterface } from "../network/resolve_interface.ts";
import { chooseAddressDriver } from "../network/select.ts";
import { SubnetMemory } from "../network/subnet_memory.ts";
import type { System } from "../system/system.ts";
import { dropForeign } from "../undo/foreign_changes.ts";
import { type Change, Journal } from "../undo/journal.ts";
import { undo } from "../undo/undo.ts";
import type { Surroundings } from "./daemon.ts";
import { hostsPath, statePaths } from "./paths.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Opens the journal, and undoes the changes of an earlier daemon that this one does not take over.
 */
export async function openJournal(
  { live, system, shutdown }: Surroundings,
): Promise<{ journal: Journal; problems: readonly string[] }> {
  const journal = new Journal(statePaths(live).journal, system.files);
  const problems = await loadJournal(journal, { live, system });
  shutdown.add("undo the changes to this machine", async (late) => {
    const isClean = await undo(journal.changes, { journal, system: stoppable(system, late) });
    if (!isClean) log.error("Some changes to this machine could not be undone: run ngrokd cleanup");
    return isClean;
  });
  const hosts = hostsPath(system);
  const isTakenOver = (change: Change) =>
    change.kind === "hosts"
      ? change.path === hosts
      : change.kind !== "addresses" || !isLoopbackSubnet(live.current.net.subnet);
  await undo(journal.changes.filter((change) => !isTakenOver(change)), {
    journal,
    system: stoppable(system, shutdown.forced),
  });
  return { journal, problems };
}

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
    resolverDir: RESOLVER_DIR,
    files: system.files,
  });
  return [...damage, ...foreign];
}

/** Creates the virtual addresses. */
export function openAddresses(options: MachineOptions): Addresses {
  const { live, system, shutdown, journal } = options;
  const { interfaceName, subnet } = live.current.net;
  const addresses = new Addresses({
    driver: chooseAddressDriver({
      os: system.operatingSystem(),
      listen: system.listenTcp,
      run: stoppable(system, shutdown.forced).run,
      interfaceName,
      record: () => journal.record({ kind: "addresses" }),
    }),
    subnet,
    memory: new SubnetMemory({ path: statePaths(live).subnet, files: system.files }),
    ownAddresses: () => system.localAddresses().map(({ address }) => address),
    allowed: () => live.current.net.allowCidrs,
  });
  shutdown.addWait("finish the change of addresses", () => addresses.close());
  return addresses;
}

/** Creates the DNS server, and the resolver that makes this machine use it. */
export function openDns(addresses: Addresses, options: MachineOptions): DnsController {
  const { live, system, shutdown, journal } = options;
  const dns = new DnsController({
    system,
    config: () => live.current,
    subnet: () => addresses.subnet,
    resolveInterface: (name) => resolveInterface(name, system.localAddresses),
    resolver: chooseResolver({
      os: system.operatingSystem(),
      run: stoppable(system, shutdown.forced).run,
      mayWrite: (path) => system.holds({ kind: "write", path }),
      files: system.files,
      link: () =>
        addresses.hasInterface
          ? { name: live.current.net.interfaceName, subnet: addresses.subnet }
          : undefined,
      managed: () => live.current.dns.manageResolvConf ?? isNetworkMode(live.current.net),
      backup: statePaths(live).resolvConfBackup,
      record: (change) => journal.record(change),
    }),
  });
  shutdown.add("close the DNS server", () => dns.close());
  return dns;
}

/** Creates the publisher of names. */
export function openNames({ system, shutdown, journal }: MachineOptions): PublishedNames {
  const names = new PublishedNames(choosePublisher({
    path: hostsPath(system),
    files: system.files,
    mayWrite: (path) => system.holds({ kind: "write", path }),
    created: journal.changes.some((change) => change.kind === "hosts" && change.created),
    record: (change) => journal.record({ kind: "hosts", ...change }),
  }));
  shutdown.add("remove the names", () => names.withdraw());
  return names;
}

/** The options of the parts that change this machine. */
export interface MachineOptions extends Surroundings {
  readonly journal: Journal;
}

/** Returns the system with programs that the signal stops, also if they hang. */
function stoppable(system: System, signal: AbortSignal): Pick<System, "files" | "run"> {
  return { files: system.files, run: (argv, options) => system.run(argv, { signal, ...options }) };
}
