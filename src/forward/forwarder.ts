import { Attempts } from "../lib/attempts.ts";
import { isLoopbackAddress } from "../lib/ipv4.ts";
import { serviceKey } from "../model/endpoint.ts";
import { LOCALHOST } from "../model/machine_address.ts";
import { ANY_ADDRESS, RouteTable } from "../model/route_table.ts";
import type { Traffic } from "../model/traffic.ts";
import { parseTcpAddress, type TcpAddress, type TcpListener } from "../system/tcp.ts";
import type { System } from "../system/system.ts";
import { Turns } from "../system/turns.ts";
import { ConnectionSlots } from "./admission/connection_slots.ts";
import { DialGate } from "./admission/dial_gate.ts";
import { IngressSlots } from "./admission/ingress_slots.ts";
import type { Refusal } from "./admission/slot_refusals.ts";
import { LargeHeads } from "./admission/large_heads.ts";
import { LIMITS, type Limits } from "./admission/limits.ts";
import { planSlots, type SlotPlan } from "./admission/slot_plan.ts";
import { UnroutedConnections } from "./admission/unrouted_connections.ts";
import { serveConnection } from "./connection.ts";
import type { IngressAccess } from "./dial.ts";
import type { HostRules } from "./http/refuse_foreign.ts";
import { type IngressCheck, IngressHealth, type IngressState } from "./ingress_health.ts";
import { Listeners } from "./listeners.ts";
import { type EndsAtOptions, OwnConnections } from "./own_connections.ts";
import { UnroutedLog } from "./prelude/unrouted_log.ts";
import { PathProbe } from "./path_probe.ts";
import { RunningConnections } from "./running_connections.ts";
import { TrafficCounters } from "./traffic_counters.ts";

/** Clients that send their first bytes at once never reach this number. */
const MAX_UNROUTED = 512;

const HALF_CLOSE_MS = 60_000;
const LOOPBACK_ONLY: HostRules = { isOwnAddress: isLoopbackAddress, allowHosts: () => [] };

/** The data path: all listeners and all connections that came in on them. */
export class Forwarder implements AsyncDisposable {
  readonly #listeners: Listeners;
  readonly #connections: RunningConnections;
  readonly #gate: DialGate;
  readonly #slots: IngressSlots;
  readonly #attempts = new Attempts();
  readonly #traffic = new TrafficCounters();
  readonly #health = new IngressHealth();
  readonly #own = new OwnConnections();
  readonly #unrouted = new UnroutedLog();
  readonly #probe: PathProbe;
  #routes = RouteTable.EMPTY;

  constructor(options: ForwarderOptions) {
    const { listen, admit = () => true, maxUnrouted = MAX_UNROUTED, idleTimeoutMs = () => 0 } = options;
    const { slots, accepted, unsentBytes } = { ...planSlots(Infinity), ...options.plan };
    const limits = { ...LIMITS, ...options.limits };
    this.#gate = new DialGate(limits.ingressMs / 2);
    this.#slots = new IngressSlots({ max: slots, maxUnsentBytes: unsentBytes, idleTimeoutMs });
    const shared = {
      access: options,
      rules: options.hostRules ?? LOOPBACK_ONLY,
      halfCloseMs: options.halfCloseMs ?? (() => HALF_CLOSE_MS),
      limits,
      largeHeads: new LargeHeads(),
      gate: this.#gate,
      attempts: this.#attempts,
      ingressSlots: this.#slots,
      traffic: this.#traffic,
      health: this.#health,
      turns: new Turns(),
    };
    this.#connections = new RunningConnections(
      (stream, { key, ...own }) =>
        serveConnection(stream, {
          ...shared,
          ...own,
          routes: () => this.#routes.at(key),
          onNameless: (protocol) => this.#unrouted.report(key, { protocol, peer: stream.peer }),
        }),
      new UnroutedConnections({ max: maxUnrouted, crowdMs: limits.helloMs }),
    );
    this.#probe = new PathProbe({
      access: options,
      gate: this.#gate,
      attempts: this.#attempts,
      health: this.#health,
      routes: () => this.#routes.routes,
      timeoutMs: limits.ingressMs,
      intervalMs: options.probeIntervalMs ?? (() => 0),
      mayUpgrade: options.probeEndpoints ?? (() => true),
      ...options.probeDelays,
    });
    this.#listeners = new Listeners({
      listen,
      own: this.#own,
      slots: new ConnectionSlots(accepted),
      admit,
      keyOf: (key, local) => this.#keyOf(key, local),
      onConnection: (stream, slot, key) => this.#connections.start(stream, { slot, key }),
    });
  }

  /**
   * Opens a listener and returns the port that was bound. Until a route uses this listener, its
   * connections are closed at once.
   *
   * @throws {BindError} If the address cannot be bound.
   */
  open(where: TcpAddress): number {
    return this.#listeners.open(where);
  }

  /**
   * Stops accepting on the listener with this key (`address:port`). Its connections go on. Fulfils
   * when the port is free.
   */
  close(key: string): Promise<void> {
    return this.#listeners.close(key);
  }

  /** Reads the keys of the open listeners. */
  observe(): readonly string[] {
    return this.#listeners.observe();
  }

  /** Replaces the routes; every new connection uses them. */
  setRoutes(table: RouteTable): void {
    this.#routes = table;
    this.#health.retain(new Set(table.routes.map(serviceKey)));
  }

  /** Returns true if a connection to the target ends at the listener with this key. */
  endsAt(key: string, options: EndsAtOptions): Promise<boolean> {
    return this.#own.endsAt(key, options);
  }

  /** Returns true if the listener with this key accepts a connection of this machine. */
  accepts(key: string, connect: EndsAtOptions["connect"]): Promise<boolean> {
    const { address, port } = parseTcpAddress(key);
    const local = address === ANY_ADDRESS ? LOCALHOST : address;
    const target = { address: local, port };
    return this.#own.endsAt(this.#keyOf(key, local), { target, connect });
  }

  /** Returns the traffic of an endpoint since the daemon started. */
  traffic(endpointId: string): Traffic {
    return this.#traffic.snapshot(endpointId);
  }

  /** Drops the counters of endpoints that are gone for good. */
  forget(endpointIds: Iterable<string>): void {
    this.#traffic.forget(endpointIds);
  }

  /**
   * Repeats all dials under way and tries a silent ingress at once, because the network may have
   * changed. Established connections are left alone (docs/decisions/0014).
   */
  retryIngress(): void {
    this.#gate.retryNow();
    this.#attempts.cancelAll();
    this.#probe.request();
  }

  /** Returns the result of the last connection to the ingress. */
  ingressHealth(): IngressState {
    return this.#health.report();
  }

  /** Returns the last connection or probe of the ingress. */
  ingressCheck(): IngressCheck {
    return this.#health.check;
  }

  /** Returns the last connection that no slot was free for; undefined if there was none. */
  slotRefusal(): Refusal | undefined {
    return this.#slots.refusal;
  }

  /** Returns the last error of a service (`host:port`) that is failing; undefined if it is not. */
  failureOf(service: string): string | undefined {
    return this.#health.endpoints.errorOf(service);
  }

  /** Probes the way to the ingress until the signal aborts. Never rejects. */
  runProbe(signal: AbortSignal): Promise<void> {
    return this.#probe.run(signal);
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Counts the connections to matching listeners, by their keys. */
  countConnections(matches: (key: string) => boolean): number {
    return this.#connections.count(matches);
  }

  /** Stops accepting on matching listeners, as {@linkcode close} does on one. */
  async closeListeners(matches: (key: string) => boolean): Promise<void> {
    await Promise.all(this.observe().filter(matches).map((key) => this.close(key)));
  }

  /** Ends the connections to matching listeners with a reset, and returns their number. */
  endConnections(matches: (key: string) => boolean): Promise<number> {
    return this.#connections.end(matches);
  }

  /**
   * Stops accepting, ends the idle connections, waits up to `ms` milliseconds for the others, and
   * aborts the rest. Returns the number of those.
   */
  async drain(ms: number): Promise<number> {
    await this.#listeners[Symbol.asyncDispose]();
    return await this.#connections.drain(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listeners[Symbol.asyncDispose]();
    await this.#connections[Symbol.asyncDispose]();
  }

  /**
   * Returns the key that applies: a listener on 0.0.0.0 also receives connections to an address
   * that belongs to one endpoint.
   */
  #keyOf(key: string, local: string | undefined): string {
    if (local === undefined || !key.startsWith(`${ANY_ADDRESS}:`)) return key;
    const own = `${local}${key.slice(ANY_ADDRESS.length)}`;
    return this.#routes.at(own) === undefined ? key : own;
  }
}

/** Options of {@linkcode Forwarder}. */
export interface ForwarderOptions extends IngressAccess {
  readonly listen: (where: TcpAddress) => TcpListener;
  /** Returns true if the peer may connect to the listener with this key. @default Everyone may */
  readonly admit?: (peer: string, key: string) => boolean;
  /** The hosts of requests that may get another Host. @default {`localhost` and loopback} */
  readonly hostRules?: HostRules;
  /** `net.half_close_timeout`. @default {60 s} */
  readonly halfCloseMs?: () => number;
  /** The limits of connections. @default Those of a process whose memory has no limit */
  readonly plan?: Partial<SlotPlan>;
  /** Returns the time after which an idle connection ends, 0 for never. @default 0 */
  readonly idleTimeoutMs?: () => number;
  /** `server.probe_interval`. @default {0, no probes} */
  readonly probeIntervalMs?: () => number;
  /** `server.probe_endpoints`. @default {true} */
  readonly probeEndpoints?: () => boolean;
  /** Shorter delays of the probes, for tests. */
  readonly probeDelays?: System["probeOptions"];
  /** Connections whose route is not known yet. @default {512} */
  readonly maxUnrouted?: number;
  /** Shorter time limits for tests. */
  readonly limits?: Partial<Limits>;
}
