import { getLogger } from "@logtape/logtape";
import type { Config } from "../config/config.ts";
import { type DnsBinding, DnsServer } from "./server.ts";
import { Zone } from "./zone.ts";
import type { Cidr } from "../lib/ipv4.ts";
import { Mutex } from "../lib/mutex.ts";
import { messageOf } from "../model/errors.ts";
import type { StatusReport } from "../model/report.ts";
import { listenerKey, type Route, RouteTable } from "../model/route_table.ts";
import type { ResolverChain } from "../names/resolver/resolver_chain.ts";
import { RESOLV_CONF } from "../names/select.ts";
import { chooseUpstreams, UPLINK, type Upstreams } from "./upstreams.ts";
import { sleep } from "../system/clock.ts";
import type { TcpAddress } from "../system/net.ts";
import type { System } from "../system/system.ts";
import { allowsClient, answerFor, isLocalAddress, isShared, planDns } from "./plan.ts";

const log = getLogger(["ngrokd", "dns"]);

/** How often what is wanted is compared with what stands: a port that is free again, an address that is new (RELIABILITY.md F53 to F55). */
const LOOK_MS = 10_000;

/** What DNS on this machine is kept with. */
export interface DnsOptions {
  readonly system: Pick<
    System,
    "listenUdp" | "listenTcp" | "connectTcp" | "localAddresses" | "files"
  >;
  readonly config: () => Config;
  readonly subnet: () => Cidr;
  readonly resolver: ResolverChain;
  readonly resolveInterface: (name: string) => string | undefined;
}

/** The DNS server and who asks it: follows routes, addresses and configuration, and is off as long as nothing needs it. */
export class DnsController {
  readonly #options: DnsOptions;
  readonly #server: DnsServer;
  readonly #mutex = new Mutex();
  #routes = RouteTable.EMPTY;
  #own: ReadonlySet<string> = new Set();
  #networkMode = false;
  #bindings: readonly DnsBinding[] = [];
  #upstreams: Upstreams | undefined;
  #names = 0;
  /** What the zone was made from. */
  #zoned: { readonly table: RouteTable; readonly advertiseIp: string } | undefined;
  #resolverProblem: string | undefined;
  #hint: string | undefined;
  /** What has been said, so that it is said once. */
  #said = new Set<string>();
  readonly #unreadable = new Set<string>();
  #nudge = Promise.withResolvers<void>();
  #ended = false;

  constructor(options: DnsOptions) {
    const { system: { listenUdp, listenTcp, connectTcp }, config } = options;
    this.#options = options;
    const isLocal = (address: string) =>
      isLocalAddress(address, { own: this.#own, subnet: options.subnet() });
    this.#server = new DnsServer({
      listenUdp,
      listenTcp,
      connectTcp,
      isLocal,
      allows: (address) =>
        allowsClient(address, {
          isLocal: isLocal(address),
          networkMode: this.#networkMode,
          allowed: config().net.allowCidrs,
        }),
    });
  }

  /** Answers by these routes from now on. */
  setRoutes(table: RouteTable): void {
    this.#routes = table;
    this.#replaceZone();
    this.nudge();
  }

  /** Compares what is wanted with what stands now instead of in a while. */
  nudge(): void {
    this.#nudge.resolve();
  }

  /** Keeps all as it should be until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.refresh();
      await Promise.race([this.#nudge.promise, sleep(LOOK_MS, { signal }).catch(() => {})]);
      this.#nudge = Promise.withResolvers<void>();
    }
  }

  /** Binds, and tells this machine whom to ask, as routes, addresses and configuration are now. */
  refresh(): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#ended) return;
      try {
        await this.#refresh();
      } catch (error) {
        const reason = messageOf(error);
        if (this.#isNew(reason)) log.error("Cannot keep DNS as it should be: {reason}", { reason });
      }
    });
  }

  /** Nobody is told to ask our server any more, and then it ends. */
  close(): Promise<void> {
    return this.#mutex.run(async () => {
      this.#ended = true;
      const { problem, hint } = await this.#options.resolver.withdraw();
      if (problem !== undefined) log.error("{problem}", { problem, hint });
      await this.#server[Symbol.asyncDispose]();
    });
  }

  get report(): StatusReport["dns"] {
    const { resolver } = this.#options;
    const failed = this.#bindings.filter(({ problem }) => problem !== undefined);
    const state = this.#bindings.length === 0
      ? "off"
      : failed.length === this.#bindings.length
      ? "failing"
      : failed.length > 0
      ? "degraded"
      : "ok";
    return {
      state,
      names: this.#names,
      addresses: this.#bindings.map(({ address, port, problem }) => ({
        address: listenerKey(address, port),
        error: problem?.message ?? null,
      })),
      upstreams: this.#bindings.length === 0 ? [] : [...this.#upstreams?.servers ?? []],
      resolver: {
        driver: resolver.kind,
        target: resolver.target,
        reason: this.#bindings.length === 0 ? null : this.#resolverProblem ?? resolver.reason ?? null,
        hint: this.#hint ?? null,
      },
    };
  }

  async #refresh(): Promise<void> {
    const { config, subnet, resolveInterface, system, resolver } = this.#options;
    const own = system.localAddresses().map(({ address }) => address);
    this.#own = new Set(own);
    const plan = planDns({
      config: config(),
      routes: this.#routes.routes,
      subnet: subnet(),
      own,
      resolveInterface,
    });
    this.#networkMode = plan.networkMode;
    this.#replaceZone();
    this.#bindings = this.#server.rebind(plan.addresses);
    for (const { problem } of this.#bindings) {
      if (problem === undefined || !this.#isNew(problem.message)) continue;
      log.error("Cannot answer DNS: {reason}", { reason: problem.message });
    }
    this.#forgetSaid();
    if (plan.addresses.length > 0) await this.#chooseUpstreams();
    const server = this.#bindings.find(({ problem }) => problem === undefined);
    const domains = server === undefined ? [] : plan.domains;
    const { changed, problem, hint, warnings } = server === undefined
      ? await resolver.withdraw()
      : await resolver.apply({ server, domains });
    for (const warning of warnings) log.warn("{warning}", { warning });
    if (problem !== undefined && problem !== this.#resolverProblem) log.warn("{problem}", { problem, hint });
    if (changed && domains.length > 0) {
      log.info("This machine now resolves ngrokd names through {resolver}", {
        resolver: resolver.target || resolver.kind,
        domains: domains.length,
      });
    }
    this.#resolverProblem = problem;
    this.#hint = hint;
  }

  async #chooseUpstreams(): Promise<void> {
    const { config } = this.#options;
    const [resolvConf, uplink] = await Promise.all([this.#read(RESOLV_CONF), this.#read(UPLINK)]);
    // Where we could not bind, another server answers, and it may be the one to ask.
    const own = this.#bindings.filter(({ problem }) => problem === undefined)
      .map(({ address, port }) => listenerKey(address, port));
    const upstreams = chooseUpstreams({ configured: config().dns.upstream, resolvConf, uplink, own });
    const { servers, from } = upstreams;
    if (servers.join() !== this.#upstreams?.servers.join()) {
      if (servers.length > 0) {
        log.info("Forwarding other DNS queries to {servers}", { servers: servers.join(" "), from });
      } else {
        log.warn("Cannot ask for other names: {from} names this server only", { from });
      }
    }
    this.#upstreams = upstreams;
    this.#server.replaceUpstreams(servers.map(toAddress));
  }

  async #read(path: string): Promise<string> {
    try {
      const text = await this.#options.system.files.readTextIfAny(path) ?? "";
      this.#unreadable.delete(path);
      return text;
    } catch (error) {
      if (!this.#unreadable.has(path)) log.warn("{reason}", { reason: messageOf(error) });
      this.#unreadable.add(path);
      return "";
    }
  }

  #replaceZone(): void {
    const { advertiseIp } = this.#options.config().net;
    const table = this.#routes;
    if (this.#zoned?.table === table && this.#zoned.advertiseIp === advertiseIp) return;
    this.#zoned = { table, advertiseIp };
    const nameOf = (route: Route) => ({
      hostname: route.hostname,
      address: answerFor(route, advertiseIp),
    });
    const local = new Zone(table.routes.map(nameOf));
    const others = new Zone(table.routes.filter(({ mode }) => isShared(mode)).map(nameOf));
    this.#names = new Set(table.routes.map((route) => route.hostname)).size;
    this.#server.replaceZone(local, { others });
  }

  /** Whether it has not been said since all was well. */
  #isNew(reason: string): boolean {
    const isNew = !this.#said.has(reason);
    this.#said.add(reason);
    return isNew;
  }

  #forgetSaid(): void {
    const lasting = this.#bindings.flatMap(({ problem }) => problem === undefined ? [] : [problem.message]);
    this.#said = new Set(lasting);
  }
}

/** From `address:port`. */
function toAddress(text: string): TcpAddress {
  const [address = "", port] = text.split(":");
  return { address, port: Number(port) };
}
