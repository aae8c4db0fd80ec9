import { getLogger } from "@logtape/logtape";
import { serviceKey } from "../model/endpoint.ts";
import { messageOf } from "../model/errors.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { nextRevision } from "../model/revision.ts";
import { type Route, RouteTable } from "../model/route_table.ts";
import { bind, type Binding, type BindOptions } from "./bind.ts";
import type { ListenerDiff } from "./diff.ts";
import type { AddressEffects, ListenerEffects, NameEffects, RoundEffects } from "./effects.ts";
import { logFirst } from "./log_first.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Applies the difference: addresses, bind, routes, names. An error becomes a reason. */
export async function reconcile(
  difference: ListenerDiff,
  effects: Omit<RoundEffects, "state">,
  options: Pick<BindOptions, "ports" | "startPort">,
): Promise<ReconcileOutcome> {
  const revision = nextRevision();
  const { addresses, ...unavailable } = await ensureAddresses(difference, effects.addresses, revision);
  const bindings = bind(difference, { ...options, ...unavailable, listeners: effects.listeners });
  const routes = setRoutes(bindings, effects.listeners);
  const { names, nameReasons } = await publishNames(routes, effects.names, revision);
  const remapped = bindings.filter(({ group, port = group.port }) => port !== group.port && !group.extra);
  logRemapped(remapped, options.ports);
  return {
    routes,
    reasons: reasonsOf(bindings, nameReasons),
    ports: portsToSave(bindings, options.ports),
    applied: bindings.some(hasFailed) ? undefined : {
      revision,
      addresses,
      listeners: listenersOf(bindings),
      remapped: remapped.map(({ group: { address, port } }) => ({ address, port })),
      names,
      nameReasons,
    },
  };
}

/** The result of {@linkcode reconcile}. An endpoint that fails never stops the others. */
export interface ReconcileOutcome {
  /** The routes that have a listener, with its port. */
  readonly routes: readonly Route[];
  /** Service → the reason why it has no route, or what is unusual about it. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Service → remapped port, to be saved; also those of endpoints that are away. */
  readonly ports: ReadonlyMap<string, number>;
  /**
   * Undefined if an endpoint has no listener, so that the next round has to retry. A missing extra
   * listener alone does not cost a full round at each poll.
   */
  readonly applied: Applied | undefined;
}

/** Everything that a round has set up on this machine. */
export interface Applied {
  /** The revision of the addresses and of the names. */
  readonly revision: number;
  readonly addresses: readonly string[];
  /** The keys of the listeners. */
  readonly listeners: ReadonlySet<string>;
  /** The addresses and own ports of the services that have been remapped. */
  readonly remapped: readonly { readonly address: string; readonly port: number }[];
  /** Host name → address. */
  readonly names: ReadonlyMap<string, string>;
  /** Host name → the reason why it does not resolve, or what is unusual about it. */
  readonly nameReasons: ReadonlyMap<string, string>;
}

async function ensureAddresses({ wanted }: ListenerDiff, effects: AddressEffects, revision: number) {
  const virtual = wanted.filter(({ group }) => group.virtual);
  const addresses = [...new Set(virtual.map(({ group }) => group.address))];
  try {
    return { addresses, missing: await effects.ensure(addresses, revision) };
  } catch (error) {
    return { addresses, missing: new Map<string, string>(), driverError: messageOf(error) };
  }
}

/** Sets the routes of everything that listens, and closes the listeners that nobody uses. */
function setRoutes(bindings: readonly Binding[], listeners: ListenerEffects): readonly Route[] {
  const routes = bindings.flatMap(({ group, port }) =>
    port === undefined ? [] : group.routes.map((route) => ({ ...route, localPort: port }))
  );
  listeners.setRoutes(new RouteTable(routes));
  const used = listenersOf(bindings);
  for (const key of listeners.observe()) {
    if (!used.has(key)) listeners.close(key);
  }
  return routes;
}

async function publishNames(routes: readonly Route[], effects: NameEffects, revision: number) {
  const names = new Map(routes.filter(isNamed).map(({ hostname, address }) => [hostname, address]));
  try {
    // A copy, because the publisher may change its own map.
    return { names, nameReasons: new Map(await effects.publish(names, revision)) };
  } catch (error) {
    const reason = messageOf(error);
    return { names, nameReasons: new Map([...names.keys()].map((name) => [name, reason])) };
  }
}

/**
 * Returns true for a name to publish. Only DNS answers for wildcards and names of shared listeners.
 */
function isNamed({ listenInterface, wildcard }: Route): boolean {
  return listenInterface === VIRTUAL && !wildcard;
}

function listenersOf(bindings: readonly Binding[]): ReadonlySet<string> {
  return new Set(bindings.flatMap(({ listener = [] }) => listener));
}

function logRemapped(remapped: readonly Binding[], saved: ReadonlyMap<string, number>): void {
  logFirst(remapped.filter(({ group, port }) => port !== saved.get(group.service)), {
    one: ({ group: { address, port, service }, port: next }) =>
      log.warn("Port in use, trying next port", { address, port, next, url: service }),
    rest: (count) => log.warn("Remapped {count} more ports", { count, hint: "See: ngrokctl list" }),
  });
}

function hasFailed({ group, port }: Binding): boolean {
  return port === undefined && !group.extra;
}

function reasonsOf(
  bindings: readonly Binding[],
  nameReasons: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  const failed = new Set(bindings.filter(hasFailed).flatMap(({ group }) => group.routes.map(serviceKey)));
  for (const { group, port, reason } of bindings) {
    for (const route of group.routes) {
      const key = serviceKey(route);
      // The extra port of an endpoint that is reported as failed would only confuse.
      if (group.extra && failed.has(key)) continue;
      const nameReason = port !== undefined && isNamed(route) ? nameReasons.get(route.hostname) : undefined;
      const all = [reasons.get(key), reason, nameReason].filter((text) => text !== undefined);
      if (all.length > 0) reasons.set(key, all.join("; "));
    }
  }
  return reasons;
}

/** Returns the ports to save. Endpoints that are away or cannot listen keep theirs. */
function portsToSave(bindings: readonly Binding[], saved: ReadonlyMap<string, number>) {
  const ports = new Map(saved);
  for (const { group, port = saved.get(group.service) } of bindings) {
    for (const route of group.routes) ports.delete(serviceKey(route));
    if (port !== undefined && port !== group.port) ports.set(group.service, port);
  }
  return ports;
}
