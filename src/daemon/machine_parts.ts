import { getLogger } from "@logtape/logtape";
import { withConfig } from "../config/paths.ts";
import { DnsController, type DnsControllerOptions } from "../dns/controller.ts";
import { GO_SOCKET_PATH } from "../config/paths.ts";
import { isLoopbackSubnet } from "../lib/ipv4.ts";
import { listenerKey } from "../model/route_table.ts";
import { PublishedNames } from "../names/hosts/published_names.ts";
import { choosePublisher, chooseResolver } from "../names/select.ts";
import { Addresses } from "../network/addresses.ts";
import { Redirects } from "../network/redirects.ts";
import { resolveInterface } from "../network/resolve_interface.ts";
import { chooseAddressDriver } from "../network/select.ts";
import { SubnetMemory } from "../network/subnet_memory.ts";
import type { System } from "../system/system.ts";
import { type Change, Journal } from "../undo/journal.ts";
import { undo } from "../undo/undo.ts";
import { removeUnrecordedRedirects } from "./clean_up.ts";
import type { Daemon, Surroundings } from "./daemon.ts";
import { loadJournal } from "./load_journal.ts";
import { hostsPath, statePaths } from "./paths.ts";
import { virtualSubnets } from "./virtual_subnets.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Opens the journal, and undoes the changes of an earlier daemon that this one does not take over.
 */
export async function openJournal(
  { live, system, shutdown }: Surroundings,
): Promise<{ journal: Journal; problems: readonly string[] }> {
  const journal = new Journal(statePaths(live).journal, system.files);
  const problems = await loadJournal(journal, { live, system });
  // The journal may have had redirects, which lead to ports of an earlier run.
  if (problems.length > 0 && !isLoopbackSubnet(live.current.net.subnet)) {
    await removeUnrecordedRedirects(journal, { ...system, ...stoppable(system, shutdown.forced) });
  }
  shutdown.add("undo the changes to this machine", async (late) => {
    const subnets = virtualSubnets(live);
    const isClean = await undo(journal.changes, { journal, subnets, system: stoppable(system, late) });
    if (!isClean) {
      const hint = `Run: ${withConfig("ngrokd cleanup", live.path)}`;
      log.error("Some changes to this machine could not be undone", { hint });
    }
    return isClean;
  });
  const hosts = hostsPath(system);
  const isTakenOver = (change: Change) =>
    change.kind === "hosts" ? change.path === hosts : change.kind !== "redirects" &&
      (change.kind !== "addresses" || !isLoopbackSubnet(live.current.net.subnet));
  await undo(journal.changes.filter((change) => !isTakenOver(change)), {
    journal,
    subnets: virtualSubnets(live),
    system: stoppable(system, shutdown.forced),
  });
  return { journal, problems };
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
      isGoRunning: () => system.isServed(GO_SOCKET_PATH),
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

/** Creates the redirects of ports that other programs hold. */
export function openRedirects(
  { addresses, forwarder }: Pick<Daemon, "addresses" | "forwarder">,
  { system, shutdown, journal }: MachineOptions,
): Redirects {
  const change: Change = { kind: "redirects" };
  const redirects = new Redirects({
    isLeft: journal.has(change),
    run: stoppable(system, shutdown.forced).run,
    // There is one table, and other daemons may have such a subnet too.
    unavailable: () => addresses.hasOwnSubnet ? undefined : "ngrokd did not create the subnet",
    record: () => journal.record(change),
    forget: () => journal.strike(change),
    endsHere: ({ address, from, to }) =>
      forwarder.endsAt(listenerKey(address, to), {
        target: { address, port: from },
        connect: system.connectReserved,
      }),
  });
  shutdown.addWait("finish the change of redirects", () => redirects.close());
  return redirects;
}

/** Creates the DNS server, and the resolver that makes this machine use it. */
export function openDns(addresses: Addresses, options: DnsOptions): DnsController {
  const { live, system, shutdown, journal, refuses } = options;
  const dns = new DnsController({
    system,
    config: () => live.current,
    subnet: () => addresses.subnet,
    resolveInterface: (name) => resolveInterface(name, system.localAddresses),
    refuses,
    resolver: chooseResolver({
      os: system.operatingSystem(),
      run: stoppable(system, shutdown.forced).run,
      mayWrite: (path) => system.holds({ kind: "write", path }),
      files: system.files,
      link: () =>
        addresses.hasInterface
          ? { name: live.current.net.interfaceName, subnet: addresses.subnet }
          : undefined,
      managed: () => live.current.dns.manageResolvConf !== false,
      backup: statePaths(live).resolvConfBackup,
      server: journal.resolvConf?.server,
      earlier: journal.resolvConf?.earlier,
      record: (change) => journal.record(change),
    }),
  });
  shutdown.add("close the DNS server", () => dns.close());
  return dns;
}

/** Creates the publisher of names. */
export function openNames(
  addresses: Pick<Addresses, "isVirtual">,
  { system, shutdown, journal }: MachineOptions,
): PublishedNames {
  const path = hostsPath(system);
  const { created, written, shared } = journal.hosts(path) ?? {};
  const names = new PublishedNames(choosePublisher({
    path,
    files: system.files,
    mayWrite: (path) => system.holds({ kind: "write", path }),
    created: created ?? false,
    written,
    shared,
    isOwn: (address) => addresses.isVirtual(address),
    record: (change) => journal.record({ kind: "hosts", ...change }),
  }));
  shutdown.add("remove the names", () => names.withdraw());
  return names;
}

/** The options of the parts that change this machine. */
export interface MachineOptions extends Surroundings {
  readonly journal: Journal;
}

/** The options of the DNS server. */
export interface DnsOptions extends MachineOptions, Pick<DnsControllerOptions, "refuses"> {}

/** Returns the system with programs that the signal stops, also if they hang. */
function stoppable(system: System, signal: AbortSignal): Pick<System, "files" | "run"> {
  return { files: system.files, run: (argv, options) => system.run(argv, { signal, ...options }) };
}
