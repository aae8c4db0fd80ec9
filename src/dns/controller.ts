import { getLogger } from "@logtape/logtape";
import type { Config } from "../config/config.ts";
import { type Cidr, cidrsContain } from "../lib/ipv4.ts";
import { Mutex } from "../lib/mutex.ts";
import { OnChange } from "../lib/on_change.ts";
import { messageOf } from "../model/errors.ts";
import type { StatusReport } from "../model/report.ts";
import { listenerKey, RouteTable } from "../model/route_table.ts";
import type { ResolverOutcome } from "../names/resolver/resolver.ts";
import type { ResolverChain } from "../names/resolver/resolver_chain.ts";
import { admitPeer, isLocalPeer } from "../network/admit_peer.ts";
import { privateNetworks } from "../network/private_networks.ts";
import { sleep } from "../system/clock.ts";
import type { System } from "../system/system.ts";
import { parseTcpAddress, type TcpAddress } from "../system/tcp.ts";
import { AllowedNames } from "./allowed_names.ts";
import { DroppedLog } from "./dropped_log.ts";
import { localAddressText } from "./local_address.ts";
import { planDns, planOwnAddresses, planZones } from "./plan.ts";
import { dnsReport } from "./report.ts";
import { type DnsBinding, DnsServer } from "./server.ts";
import type { Upstreams } from "./choose_upstreams.ts";
import { UpstreamFinder } from "./upstream_finder.ts";

const log = getLogger(["ngrokd", "dns"]);

/** A port may become free, an address may be new (F53 to F55 in scripts/faults/rows.ts). */
const REFRESH_MS = 10_000;

/**
 * Keeps the DNS server and the resolver of this machine in step with routes, addresses and
 * configuration. Both are off as long as nothing needs them.
 */
export class DnsController {
  readonly #options: DnsControllerOptions;
  readonly #server: DnsServer;
  readonly #upstreamFinder: UpstreamFinder;
  readonly #mutex = new Mutex();
  readonly #onFailure = new OnChange();
  readonly #onBindProblem = new OnChange();
  readonly #onResolverProblem = new OnChange();
  readonly #onUnresolved = new OnChange();
  #routes = RouteTable.EMPTY;
  #ownAddresses: ReadonlySet<string> = new Set();
  #privateNetworks: readonly Cidr[] = [];
  #networkMode = false;
  #listeners: ReadonlySet<number> = new Set();
  #bindings: readonly DnsBinding[] = [];
  #upstreams: Upstreams | undefined;
  /** The values that the zones were made from. */
  #zoneSource: { readonly revision: number; readonly advertiseIp: string } | undefined;
  #names = 0;
  #outcome: ResolverOutcome | undefined;
  #refreshRequest = Promise.withResolvers<void>();
  #closed = false;

  constructor(options: DnsControllerOptions) {
    const { system: { listenUdp, listenTcp, connectTcp, files, holds }, config } = options;
    this.#options = options;
    this.#upstreamFinder = new UpstreamFinder({ files, holds });
    const dropped = new DroppedLog();
    const allowed = new AllowedNames(() => config().dns.allowPrivate);
    const isOwn = (address: string) => this.#ownAddresses.has(address);
    const local = () => ({ virtual: [options.subnet()], isOwn });
    this.#server = new DnsServer({
      listenUdp,
      listenTcp,
      connectTcp,
      isLocal: (address) => isLocalPeer(address, local()),
      allows: (address) =>
        admitPeer(address, {
          isShared: this.#networkMode,
          allowed: config().net.allowCidrs,
          ...local(),
        }),
      isNeighbour: (address) => cidrsContain(this.#privateNetworks, address),
      localAddress: (address) =>
        localAddressText(address, { subnet: options.subnet(), listeners: this.#listeners }),
      allowsPrivate: (name) => allowed.has(name),
      onDropped: (record) => dropped.report(record),
    });
  }

  /** Answers queries by these routes from now on. */
  setRoutes(table: RouteTable): void {
    this.#routes = table;
    this.#replaceZones();
    this.refreshNow();
  }

  /** Makes the next refresh happen now. */
  refreshNow(): void {
    this.#refreshRequest.resolve();
  }

  /** Refreshes every 10 s and at each request until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.refresh();
      await Promise.race([this.#refreshRequest.promise, sleep(REFRESH_MS, { signal }).catch(() => {})]);
      this.#refreshRequest = Promise.withResolvers<void>();
    }
  }

  /** Adapts the server and the resolver to the present routes, addresses and configuration. */
  refresh(): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#closed) return;
      let failure: string | undefined;
      try {
        await this.#refresh();
      } catch (error) {
        failure = messageOf(error);
      }
      this.#onFailure.report(failure, (reason) => log.error("Cannot update DNS: {error}", { error: reason }));
    });
  }

  /** Withdraws the resolver, then closes the server. */
  close(): Promise<void> {
    return this.#mutex.run(async () => {
      this.#closed = true;
      const { problem, hint } = await this.#options.resolver.withdraw();
      if (problem !== undefined) {
        log.error("Cannot restore the resolver of this machine: {error}", { error: problem, hint });
      }
      await this.#server[Symbol.asyncDispose]();
    });
  }

  /** The names that this machine does not resolve through the DNS server: name → reason. */
  get unresolved(): ReadonlyMap<string, string> {
    return this.#outcome?.refused ?? new Map();
  }

  /** The addresses of our own DNS server, each `address:port`. */
  get ownServers(): readonly string[] {
    // An address that could not be bound belongs to another server, which may be an upstream.
    const bound = this.#bindings.filter(({ problem }) => problem === undefined);
    return bound.map(({ address, port }) => listenerKey(address, port));
  }

  get report(): StatusReport["dns"] {
    return dnsReport({
      bindings: this.#bindings,
      names: this.#names,
      upstreams: this.#upstreams,
      resolver: this.#options.resolver,
      outcome: this.#outcome,
    });
  }

  async #refresh(): Promise<void> {
    const { config, subnet, resolveInterface, system } = this.#options;
    const local = system.localAddresses();
    const own = local.map(({ address }) => address);
    this.#ownAddresses = new Set(own);
    this.#privateNetworks = privateNetworks(local);
    const input = { config: config(), routes: this.#routes.routes, subnet: subnet(), own, resolveInterface };
    const { addresses, domains, networkMode } = planDns(input);
    this.#networkMode = networkMode;
    this.#listeners = planOwnAddresses(input, addresses);
    this.#replaceZones();
    this.#bindings = this.#server.rebind(addresses);
    const problems = this.#bindings.flatMap(({ problem }) => problem === undefined ? [] : [problem.message]);
    this.#onBindProblem.report(problems.length === 0 ? undefined : problems.join("; "), (reason) => {
      log.error("Cannot answer DNS queries: {error}", { error: reason });
    });
    if (addresses.length > 0) await this.#updateUpstreams();
    await this.#updateResolver(this.#bindings.find(({ problem }) => problem === undefined), domains);
  }

  async #updateUpstreams(): Promise<void> {
    this.#upstreams = await this.#upstreamFinder.find({
      configured: this.#options.config().dns.upstream,
      own: this.ownServers,
    });
    this.#server.replaceUpstreams(this.#upstreams.servers.map(parseTcpAddress));
  }

  async #updateResolver(server: TcpAddress | undefined, domains: readonly string[]): Promise<void> {
    const { resolver } = this.#options;
    const { problem: reason, hint: advice } = this.#upstreams ?? {};
    const noUpstream = reason === undefined ? undefined : { problem: reason, hint: advice };
    const outcome = server === undefined
      ? await resolver.withdraw()
      : await resolver.apply({ server, domains, noUpstream });
    const { changed, problem, hint, refused } = outcome;
    this.#onResolverProblem.report(problem, () => {
      log.warn("Cannot make this machine use the DNS server: {error}", { error: problem, hint });
    });
    if (changed && server !== undefined && domains.length > 0) {
      log.info("This machine now resolves ngrokd names through {resolver}", {
        resolver: resolver.label || resolver.kind,
        domains: domains.length,
      });
    }
    this.#onUnresolved.report(refused.size === 0 ? undefined : [...refused].join(), () => {
      const [[name, error] = []] = refused;
      log.warn("Some names do not resolve on this machine", { name, error, count: refused.size });
    });
    this.#outcome = outcome;
  }

  #replaceZones(): void {
    const { advertiseIp } = this.#options.config().net;
    const { revision } = this.#routes;
    if (this.#zoneSource?.revision === revision && this.#zoneSource.advertiseIp === advertiseIp) return;
    this.#zoneSource = { revision, advertiseIp };
    const { refuses } = this.#options;
    const { local, others, names } = planZones(this.#routes, { advertiseIp, refuses });
    this.#names = names;
    this.#server.replaceZone(local, { others });
  }
}

/** Options of {@linkcode DnsController}. */
export interface DnsControllerOptions {
  readonly system: Pick<
    System,
    "listenUdp" | "listenTcp" | "connectTcp" | "localAddresses" | "files" | "holds"
  >;
  readonly config: () => Config;
  readonly subnet: () => Cidr;
  readonly resolver: ResolverChain;
  readonly resolveInterface: (name: string) => string | undefined;
  /** Returns true for a name that no endpoint may have, whatever wildcard is above it. */
  readonly refuses: (name: string) => boolean;
}
