import type { PolicyKeeper } from "../names/policy/policy_keeper.ts";
import { hasIp, presentIps } from "../network/present_ips.ts";
import { resolveInterface } from "../network/resolve_interface.ts";
import { SubnetWatch } from "../network/subnet_watch.ts";
import { SyncLoop } from "../sync/loop.ts";
import { StateStore } from "../sync/persist.ts";
import { LOCALHOST } from "../model/machine_address.ts";
import { Health } from "../web/health_listener.ts";
import { openAccount } from "./account_parts.ts";
import { healthReport } from "./answers/status.ts";
import type { Daemon, Surroundings } from "./daemon.ts";
import { listenersOf, openDataPath } from "./data_path_parts.ts";
import { prepareDirectories } from "./directories.ts";
import { removeLeftoverFiles, removeSigningRequest } from "./leftover_files.ts";
import { openAddresses, openDns, openJournal, openNames, openRedirects } from "./machine_parts.ts";
import { openNamePolicy } from "./name_parts.ts";
import { stateDirectory } from "./paths.ts";
import { isSubnetInUse } from "./subnet_use.ts";

/**
 * Builds all parts of the daemon; none of them listens yet. The shutdown closes them in the reverse
 * order.
 *
 * @throws {FileError} If the state directory cannot be used, or a file in it cannot be read now.
 */
export async function assemble(surroundings: Surroundings): Promise<Daemon> {
  const { live, system, shutdown } = surroundings;
  const directory = stateDirectory(live);
  const directoryProblems = await prepareDirectories(live, system.files);
  await removeLeftoverFiles(live, system);
  await removeSigningRequest(live, system.files);

  const health = new Health({
    listen: system.listenTcp,
    report: () => healthReport(daemon),
    admit: (peer, key) => addresses.admits(peer, key),
    hostNames: () => live.current.server.healthHosts,
  });
  shutdown.add("close the health server", () => health.close());
  const state = new StateStore(directory, system.files);
  const { state: saved, problems } = await state.load();
  const { journal, problems: journalProblems } = await openJournal(surroundings);
  const account = await openAccount(surroundings);
  const addresses = openAddresses({ ...surroundings, journal });
  const dataPath = await openDataPath({ ...surroundings, ...account, addresses });
  const dns = openDns(addresses, {
    ...surroundings,
    journal,
    refuses: (name) => policy.policy.isAlwaysRefused(name),
  });
  const names = openNames(addresses, { ...surroundings, journal });
  const redirects = openRedirects({ addresses, ...dataPath }, { ...surroundings, journal });
  const policy: PolicyKeeper = openNamePolicy({
    ...surroundings,
    ...account,
    addresses,
    dns,
    names,
    onChange: () => loop.reconcile(),
  });
  const { forwarder } = dataPath;
  const subnetWatch = new SubnetWatch({
    addresses,
    isInUse: (subnet) =>
      isSubnetInUse(subnet, {
        countConnections: (matches) => forwarder.countConnections(matches),
        outcomes: loop.outcomes,
        traffic: (id) => forwarder.traffic(id),
        nowMs: Date.now(),
      }),
    closeListeners: (matches) => forwarder.closeListeners(matches),
    endConnections: (matches) => forwarder.endConnections(matches),
  });
  const loop: SyncLoop = new SyncLoop({
    poll: (signal) => account.account.discover(signal),
    effects: { addresses, listeners: listenersOf({ ...dataPath, dns }), redirects, names, state },
    saved,
    async prepare(endpoints) {
      await subnetWatch.check();
      await policy.prepare(endpoints.map(({ hostname }) => hostname));
    },
    settings: () => {
      const {
        advertiseIp,
        advertiseIps,
        listenInterface,
        overrides,
        startPort,
        allowPorts,
        publishMovedPorts,
        redirectHeldPorts,
      } = live.current.net;
      // Each listing is a system call; a round asks once, and sees one state of the machine.
      let listed: ReturnType<typeof system.localAddresses> | undefined;
      const localAddresses = () => listed ??= system.localAddresses();
      return {
        subnet: addresses.subnet,
        equivalentSubnets: addresses.equivalentSubnets,
        listenInterface,
        overrides,
        advertiseIp,
        advertiseIps,
        presentIps: presentIps(advertiseIps, localAddresses),
        // dnsmasq gives the lines of the hosts file to the whole network.
        machineIp: hasIp(advertiseIp, localAddresses) ? advertiseIp : LOCALHOST,
        startPort,
        publishMovedPorts,
        redirectHeldPorts,
        os: system.operatingSystem(),
        resolveInterface: (name) => resolveInterface(name, localAddresses),
        random: system.random,
        names: policy.policy,
        allowPorts,
      };
    },
    intervalMs: () => live.current.boundEndpoints.pollIntervalMs,
    readyInMs: (pages) => account.account.readyInMs(pages),
  });

  const daemon: Daemon = {
    live,
    ...account,
    ...dataPath,
    loop,
    names,
    addresses,
    subnetWatch,
    redirects,
    dns,
    health,
    stateProblems: directoryProblems,
    stateNotes: [...problems, ...journalProblems],
    stopping: () => shutdown.signal.aborted,
    startedAt: Date.now(),
    startedMonotonicMs: performance.now(),
  };
  return daemon;
}
