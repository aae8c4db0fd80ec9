import { ApiClient } from "../cloud/client.ts";
import { RequestBudget } from "../cloud/request_budget.ts";
import { DEFAULT_INGRESS } from "../config/config.ts";
import { Forwarder } from "../forward/forwarder.ts";
import { createSigningRequest } from "../identity/csr.ts";
import { RegistrationMarker } from "../account/registration_marker.ts";
import { IdentityStore } from "../identity/store.ts";
import { Attempts } from "../lib/attempts.ts";
import { normalizeHostname } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { VERSION } from "../lib/version.ts";
import { choosePublisher, chooseResolver } from "../names/select.ts";
import { isLoopbackSubnet } from "../network/loopback_subnet.ts";
import { chooseAddressDriver } from "../network/select.ts";
import { Account } from "../account/account.ts";
import type { ListenerEffects } from "../sync/effects.ts";
import { SyncLoop } from "../sync/loop.ts";
import { StateStore } from "../sync/persist.ts";
import type { System } from "../system/system.ts";
import { Addresses } from "../network/addresses.ts";
import type { Daemon } from "./daemon.ts";
import { DnsController } from "../dns/controller.ts";
import { isNetworkMode } from "../dns/plan.ts";
import { Health } from "../web/health_listener.ts";
import { IngressMemory } from "../account/ingress_memory.ts";
import { IngressDialer } from "../trust/ingress_dialer.ts";
import { type Change, Journal } from "../undo/journal.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { PublishedNames } from "../names/hosts/published_names.ts";
import { operatorIngress } from "../cloud/operator_ingress.ts";
import { hostsPath, stateDirectory, statePaths } from "./paths.ts";
import { healthReport } from "./answers/status.ts";
import { RenewalMemory } from "../account/renewal_memory.ts";
import { Renewals } from "../account/renewals.ts";
import { removeStrays } from "./strays.ts";
import { SubnetMemory } from "../network/subnet_memory.ts";
import { TrustSet } from "../trust/trust_set.ts";
import { undo } from "../undo/undo.ts";

/** Builds the daemon from its configuration: the one place where `new` meets `select`. Nothing listens yet. */
export async function assemble(live: LiveConfig, system: System): Promise<Daemon> {
  const { files } = system;
  const directory = stateDirectory(live);
  await files.makeDirectory(directory, 0o700);
  await removeStrays(live, files);
  const state = new StateStore(directory, files);
  const { state: saved, problems } = await state.load();
  const hosts = hostsPath(system);
  const journal = new Journal({ path: statePaths(live).journal, files });
  const journalProblem = await journal.load();
  // What an earlier run made and this one takes over is reconciled as it is found; the rest is undone.
  const isWanted = (change: Change) =>
    change.kind === "hosts"
      ? change.path === hosts
      : change.kind !== "addresses" || !isLoopbackSubnet(live.current.net.subnet);
  await undo(journal.changes.filter((change) => !isWanted(change)), { journal, system });

  const budget = new RequestBudget();
  const requests = new Attempts();
  const clientWith = (key: () => string): ApiClient =>
    new ApiClient({
      baseUrl: () => live.current.api.url,
      key,
      send: system.sendHttp,
      budget,
      attempts: requests,
      proxy: () => live.apiProxy.proxy,
      userAgent: `ngrokd/${VERSION}`,
    });
  const client = clientWith(() => live.apiKey.key);
  const { clientCert, clientKey } = live.current.server;
  const account = new Account({
    client,
    store: new IdentityStore({ directory, certPath: clientCert, keyPath: clientKey, files }),
    marker: new RegistrationMarker(statePaths(live).registrationMarker, files),
    ingress: new IngressMemory(statePaths(live).ingressEndpoint, files),
    createRequest: createSigningRequest,
    hasKey: () => live.apiKey.key !== "",
    selectors: () => live.current.boundEndpoints.selectors,
  });
  await account.load();

  const trust = new TrustSet({ files, learntPath: statePaths(live).learntCa, listed: system.listedCas });
  await trust.load(live.current.server.ingressCa);
  const ingress = () =>
    live.current.ingressEndpoint ??
      operatorIngress(account.ingressEndpoint, { holds: system.holds, apiUrl: live.current.api.url }) ??
      DEFAULT_INGRESS;
  const addresses = new Addresses({
    driver: chooseAddressDriver({
      os: system.operatingSystem(),
      listen: system.listenTcp,
      run: system.run,
      interfaceName: live.current.net.interfaceName,
      record: () => journal.record({ kind: "addresses" }),
    }),
    subnet: live.current.net.subnet,
    memory: new SubnetMemory({ path: statePaths(live).subnet, files }),
    ownAddresses: () => system.localAddresses().map(({ address }) => address),
    allowed: () => live.current.net.allowCidrs,
  });
  const dns = new DnsController({
    system,
    config: () => live.current,
    subnet: () => addresses.subnet,
    resolveInterface: (name) => resolveInterface(name, system),
    resolver: chooseResolver({
      os: system.operatingSystem(),
      run: system.run,
      files,
      link: () =>
        addresses.hasInterface
          ? { name: live.current.net.interfaceName, subnet: addresses.subnet }
          : undefined,
      managed: () => live.current.dns.manageResolvConf ?? isNetworkMode(live.current.net),
      backup: statePaths(live).resolvConfBackup,
      record: (change) => journal.record(change),
    }),
  });
  const dialer = new IngressDialer({
    connect: system.connectTls,
    probeChain: system.probeChain,
    trust,
    proxy: () => live.current.proxy,
  });
  const forwarder = new Forwarder({
    listen: system.listenTcp,
    connect: (options) => dialer.connect(options),
    ingress,
    proxy: () => live.current.proxy,
    identity: () => account.pair,
    trust: () => trust.pems,
    admit: (peer, key) => addresses.admits(peer, key),
  });

  const names = new PublishedNames(choosePublisher({
    path: hosts,
    files,
    mayWrite: (path) => system.holds({ kind: "write", path }),
    created: journal.changes.some((change) => change.kind === "hosts" && change.created),
    record: (change) => journal.record({ kind: "hosts", ...change }),
  }));
  const loop = new SyncLoop({
    poll: (signal) => account.discover(signal),
    effects: { addresses, listeners: routedTo(forwarder, dns), names, state },
    saved,
    settings: () => {
      const { api, net: { listenInterface, overrides, startPort } } = live.current;
      return {
        subnet: addresses.subnet,
        equivalentSubnets: addresses.equivalentSubnets,
        listenInterface,
        overrides,
        startPort,
        resolveInterface: (name) => resolveInterface(name, system),
        reserved: {
          machine: [normalizeHostname(system.hostname())],
          // The cloud may name another ingress at any time.
          cloud: [new URL(api.url).hostname, normalizeHostname(ingress().hostname)],
        },
      };
    },
    intervalMs: () => live.current.boundEndpoints.pollIntervalMs,
    readyInMs: (pages) => account.readyInMs(pages),
  });
  const renewalMemory = new RenewalMemory(statePaths(live).lastRenewal, files);
  await renewalMemory.load();
  const daemon: Daemon = {
    live,
    clientWith,
    requests,
    account,
    renewals: new Renewals({
      account,
      intervalMs: () => live.current.server.certRefreshIntervalMs,
      memory: renewalMemory,
    }),
    forwarder,
    loop,
    names,
    addresses,
    dns,
    trust,
    dialer,
    journal,
    health: new Health(system.serveHttp, () => healthReport(daemon)),
    ingress,
    stateProblems: journalProblem === undefined ? problems : [...problems, journalProblem],
    startedAt: Date.now(),
    startedSteadyMs: performance.now(),
  };
  return daemon;
}

/** The listeners, with a table of routes that DNS reads too. */
function routedTo(forwarder: Forwarder, dns: DnsController): ListenerEffects {
  return {
    observe: () => forwarder.observe(),
    open: (where) => forwarder.open(where),
    close: (key) => forwarder.close(key),
    forget: (ids) => forwarder.forget(ids),
    setRoutes(table) {
      forwarder.setRoutes(table);
      dns.setRoutes(table);
    },
  };
}

/** An address stands for itself, an interface for its first address, which is not a loopback one if it has another. */
function resolveInterface(name: string, system: System): string | undefined {
  if (parseIpv4(name) !== undefined) return name;
  const own = system.localAddresses().filter((entry) => entry.interface === name).map((entry) =>
    entry.address
  );
  return own.find((address) => !address.startsWith("127.")) ?? own[0];
}
