import { getLogger } from "@logtape/logtape";
import { Attempts } from "../lib/attempts.ts";
import { messageOf } from "../model/errors.ts";
import { EVERYWHERE, RouteTable } from "../model/route_table.ts";
import type { Outcome, Traffic } from "../model/traffic.ts";
import { closeQuietly } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import { isConnectionGone } from "../system/errors.ts";
import type { AcceptedStream, TcpAddress, TcpListener } from "../system/net.ts";
import { serveConnection } from "./connection.ts";
import { ConnectionSlots, type Slot } from "./admission/connection_slots.ts";
import type { IngressAccess } from "./dial.ts";
import { DialGate } from "./admission/dial_gate.ts";
import { FailureLog } from "./failure_log.ts";
import { IngressHealth, type IngressState } from "./ingress_health.ts";
import { LIMITS, type Limits } from "./admission/limits.ts";
import { Listeners } from "./listeners.ts";
import { SourceShares } from "./admission/source_shares.ts";
import { TrafficBook } from "./traffic_book.ts";
import { UnroutedConnections } from "./admission/unrouted_connections.ts";

const log = getLogger(["ngrokd", "forward"]);

/**
 * What the unit's MemoryMax of 512 MiB and LimitNOFILE of 65536 leave room for: an idle connection costs some 170 KiB from end to end,
 * most of it in the runtime's TLS client (measured, 2,000 at once), and some 22 KiB as long as it has not been forwarded.
 */
const MAX_CONNECTIONS = 4096;
const MAX_INGRESS_CONNECTIONS = 2048;
/** For one client of the network: half, so that a proxy or a NAT with many behind it gets far too. */
const MAX_OF_ONE_SOURCE = 1024;
/** Clients that say what they want at once are never this many. */
const MAX_UNROUTED = 512;

/** What the data path needs from outside. */
export interface ForwarderOptions extends IngressAccess {
  readonly listen: (where: TcpAddress) => TcpListener;
  /** Whether a peer (its address) may connect to the listener with this key; one that may not gets nothing. @default Everyone may. */
  readonly admit?: (peer: string, key: string) => boolean;
  /** How many connections are accepted at once; more wait in the kernel's queue. @default {4096} */
  readonly maxConnections?: number;
  /** How many of them are forwarded at once; more wait for the ingress as long as a dial may take. @default {2048} */
  readonly maxIngressConnections?: number;
  /** How many of those one client of the network may hold; more are refused. @default {1024} */
  readonly maxOfOneSource?: number;
  /** How many may keep silent about where they go; above that, the source with the most loses its oldest. @default {512} */
  readonly maxUnrouted?: number;
  /** Shorter times for tests. */
  readonly limits?: Partial<Limits>;
}

/** The data path: all listeners, and all connections that came in on them. */
export class Forwarder implements AsyncDisposable {
  readonly #access: IngressAccess;
  readonly #limits: Limits;
  readonly #listeners: Listeners;
  readonly #ingressSlots: ConnectionSlots;
  readonly #shares: SourceShares;
  readonly #gate: DialGate;
  readonly #attempts = new Attempts();
  readonly #unrouted: UnroutedConnections;
  readonly #connections = new Map<AbortController, Promise<void>>();
  readonly #traffic = new TrafficBook();
  readonly #health = new IngressHealth();
  readonly #failures = new FailureLog();
  #routes = RouteTable.EMPTY;

  constructor(options: ForwarderOptions) {
    const { maxConnections = MAX_CONNECTIONS, maxIngressConnections = MAX_INGRESS_CONNECTIONS } = options;
    const { limits = {}, admit = () => true, listen, maxUnrouted = MAX_UNROUTED } = options;
    this.#access = options;
    this.#limits = { ...LIMITS, ...limits };
    this.#ingressSlots = new ConnectionSlots(maxIngressConnections);
    this.#shares = new SourceShares(options.maxOfOneSource ?? MAX_OF_ONE_SOURCE);
    this.#gate = new DialGate(this.#limits.ingressMs / 2);
    this.#unrouted = new UnroutedConnections({ max: maxUnrouted, crowdMs: this.#limits.helloMs });
    this.#listeners = new Listeners({
      listen,
      slots: new ConnectionSlots(maxConnections),
      admit,
      keyOf: (key, local) => this.#keyOf(key, local),
      onConnection: (stream, slot, key) => this.#take(stream, slot, key),
    });
  }

  /**
   * Opens a listener; gives the port that was bound. Its connections are closed at once as long as no route leads from it.
   *
   * @throws {BindError} If the address cannot be bound.
   */
  open(where: TcpAddress): number {
    return this.#listeners.open(where);
  }

  /** Stops accepting on the listener with this key (`address:port`); its connections go on. */
  close(key: string): void {
    this.#listeners.close(key);
  }

  /** The keys of the open listeners. */
  observe(): readonly string[] {
    return this.#listeners.observe();
  }

  /** What counts for every connection from now on. */
  setRoutes(table: RouteTable): void {
    this.#routes = table;
    this.#failures.retain(new Set(table.routes.map((route) => `${route.hostname}:${route.port}`)));
  }

  /** What went through an endpoint so far. */
  traffic(endpointId: string): Traffic {
    return this.#traffic.snapshot(endpointId);
  }

  /** Drops the counts of endpoints that are gone for good. */
  forget(endpointIds: Iterable<string>): void {
    this.#traffic.forget(endpointIds);
  }

  /**
   * The network may be another one: what is being dialled over the earlier one is dialled anew, and a silent ingress may be tried at once.
   * Connections that stand are left alone (docs/decisions/0014).
   */
  retryIngress(): void {
    this.#gate.retryNow();
    this.#attempts.breakOff();
  }

  /** How the ingress answered last. */
  ingressHealth(): IngressState {
    return this.#health.report();
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Stops accepting, gives the connections `ms` milliseconds to end and aborts the rest; true if all ended by themselves. */
  async drain(ms: number): Promise<boolean> {
    await this.#listeners[Symbol.asyncDispose]();
    const ends = Promise.all(this.#connections.values());
    try {
      await withDeadline(ends, { ms, onTimeout: () => new Error("Cannot drain: the time is over") });
      return true;
    } catch {
      for (const controller of this.#connections.keys()) controller.abort();
      await ends;
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.#listeners[Symbol.asyncDispose]();
    for (const controller of this.#connections.keys()) controller.abort();
    await closing;
    await Promise.all(this.#connections.values());
  }

  /** A listener on every address has the connections to one address too that an endpoint has for itself. */
  #keyOf(key: string, local: string | undefined): string {
    if (local === undefined || !key.startsWith(`${EVERYWHERE}:`)) return key;
    const own = `${local}${key.slice(EVERYWHERE.length)}`;
    return this.#routes.at(own) === undefined ? key : own;
  }

  #take(stream: AcceptedStream, slot: Slot, key: string): void {
    const controller = new AbortController();
    const unrouted = this.#unrouted.enter(stream.peer, () => controller.abort());
    const { signal } = controller;
    const running = this.#serve(stream, { key, signal, unrouted }).finally(() => {
      unrouted[Symbol.dispose]();
      this.#connections.delete(controller);
      slot[Symbol.dispose]();
    });
    this.#connections.set(controller, running);
  }

  /** Never rejects: what goes wrong with a connection ends that connection only. */
  async #serve(
    stream: AcceptedStream,
    options: { key: string; signal: AbortSignal; unrouted: Disposable },
  ): Promise<void> {
    const { key, signal, unrouted } = options;
    signal.addEventListener("abort", () => closeQuietly(stream), { once: true });
    let outcome: Outcome;
    try {
      outcome = await serveConnection(stream, {
        routes: this.#routes.at(key),
        access: this.#access,
        gate: this.#gate,
        attempts: this.#attempts,
        limits: this.#limits,
        ingressSlots: this.#ingressSlots,
        shares: this.#shares,
        traffic: this.#traffic,
        onRouted: () => unrouted[Symbol.dispose](),
        onReached: (name, error) => {
          if (error === undefined) {
            this.#health.answered();
            this.#failures.worked(name);
          } else {
            this.#health.failed(error);
            this.#failures.failed(name, error);
          }
        },
        signal,
      });
      if (signal.aborted) outcome = "aborted";
    } catch (error) {
      outcome = signal.aborted ? "aborted" : isConnectionGone(error) ? "client_gone" : "internal";
      if (outcome === "internal") {
        log.error("Connection on {address} failed: {reason}", {
          address: key,
          reason: messageOf(error),
          error,
        });
      }
    } finally {
      closeQuietly(stream);
    }
    log.debug("Connection from {peer} on {address} ended: {outcome}", {
      peer: stream.peer,
      address: key,
      outcome,
    });
  }
}
