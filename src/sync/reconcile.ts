import { getLogger } from "@logtape/logtape";
import { serviceKey } from "../model/endpoint.ts";
import { messageOf } from "../model/errors.ts";
import { machineAddress } from "../model/machine_address.ts";
import { type Redirect, redirectKey, refuseRedirects } from "../model/redirect.ts";
import { nextRevision } from "../model/revision.ts";
import { listenerKey, type Route, RouteTable } from "../model/route_table.ts";
import type { Binding, BindOptions } from "./bind.ts";
import type { ListenerEffects, NameEffects, RedirectEffects, RoundEffects } from "./effects.ts";
import { logFirst } from "./log_first.ts";
import type { OpenListeners } from "./open_listeners.ts";
import { hasFailed, isNamed, serviceReasons } from "./reasons.ts";
import { type WithheldName, withheldNames, type WithheldOptions } from "./withheld_names.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Leads clients to the open listeners: redirects, routes, names. An error becomes a reason. */
export async function reconcile(
  { revision, addresses, bindings }: OpenListeners,
  effects: Omit<RoundEffects, "state" | "addresses">,
  options: ReconcileOptions,
): Promise<ReconcileOutcome> {
  const moved = bindings.filter(({ group, port = group.port }) => port !== group.port && !group.extra);
  const redirectable = options.redirectHeldPorts === "auto" ? moved.filter(isHeldVirtual) : [];
  const redirects = redirectable.map(redirectOf);
  const observed = effects.redirects.observe();
  const wanted = new Set(redirects.map(redirectKey));
  const going = observed.filter((each) => !wanted.has(redirectKey(each)));
  if (going.length > 0) {
    // First no name may lead to a redirect that goes: somebody may take its ports at once.
    const present = new Set(observed.map(redirectKey));
    await lead(bindings, effects, {
      ...options,
      revision: nextRevision(),
      redirected: servicesOf(redirectable.filter((each) => present.has(redirectKey(redirectOf(each))))),
      redirectReasons: refuseRedirects(going, "it is being removed"),
    });
  }
  const redirectReasons = await redirect(redirects, effects.redirects, bindings);
  const redirected = servicesOf(
    redirectable.filter(({ group: { address, port } }) => !redirectReasons.has(listenerKey(address, port))),
  );
  const { routes, withheld, names, nameReasons, nameProblem } = await lead(bindings, effects, {
    ...options,
    revision,
    redirected,
    redirectReasons,
  });
  const used = listenersOf(bindings);
  const ports = portsToSave(bindings, { saved: options.ports, open: new Set(effects.listeners.observe()) });
  await closeUnused(effects.listeners, used);
  logRemapped(moved, options.ports);
  const isLeft = nameProblem !== undefined && withheld.size > 0;
  return {
    routes,
    reasons: serviceReasons(bindings, {
      os: options.os,
      nameReasons,
      nameProblem,
      withheld,
      redirected,
      redirectReasons,
    }),
    withheld: new Set(withheld.keys()),
    ports,
    applied: isLeft || bindings.some(hasFailed) ? undefined : {
      revision,
      addresses,
      listeners: used,
      remapped: moved.map(({ group: { address, port } }) => ({ address, port })),
      redirects,
      redirectReasons,
      names,
      nameReasons,
    },
  };
}

/** Options of {@linkcode reconcile}. */
export interface ReconcileOptions extends Pick<BindOptions, "ports"> {
  /** True if names resolve although ngrokd does not serve all their own ports. */
  readonly publishMovedPorts: boolean;
  readonly redirectHeldPorts: "auto" | "off";
  /**
   * The address that the names of listeners on all addresses get on this machine.
   *
   * @default {"127.0.0.1"}
   */
  readonly machineIp?: string;
  /** The name of the operating system in Deno. */
  readonly os: string;
  /** The names with a service that has no route. */
  readonly unserved: ReadonlyMap<string, WithheldName>;
}

/** The result of {@linkcode reconcile}. An endpoint that fails never stops the others. */
export interface ReconcileOutcome {
  /** The routes that have a listener, with its port. */
  readonly routes: readonly Route[];
  /** Service → the reason why it has no route, or what is unusual about it. */
  readonly reasons: ReadonlyMap<string, string>;
  /** The names that must not resolve, because ngrokd does not serve all their own ports. */
  readonly withheld: ReadonlySet<string>;
  /** Service → remapped port, to be saved; also those of endpoints that are away. */
  readonly ports: ReadonlyMap<string, number>;
  /**
   * Undefined if an endpoint has no listener or a withheld name may still resolve, so that the next
   * round has to retry. A missing extra listener alone does not cost a full round at each poll.
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
  readonly redirects: readonly Redirect[];
  /** `address:port` of a held port → the reason why it is not redirected, or still is. */
  readonly redirectReasons: ReadonlyMap<string, string>;
  /** Host name → address. */
  readonly names: ReadonlyMap<string, string>;
  /** Host name → the reason why it does not resolve, or what is unusual about it. */
  readonly nameReasons: ReadonlyMap<string, string>;
}

/** Sets the routes and publishes the names that may resolve. */
async function lead(
  bindings: readonly Binding[],
  effects: Pick<RoundEffects, "listeners" | "names">,
  options: LeadOptions,
) {
  const withheld = options.publishMovedPorts
    ? new Map<string, WithheldName>()
    : withheldNames(bindings, options);
  const routes = setRoutes(bindings, effects.listeners, withheld);
  const published = routes.filter((route) => isNamed(route) && !withheld.has(route.hostname));
  return { routes, withheld, ...await publishNames(published, effects.names, options) };
}

interface LeadOptions extends WithheldOptions, Pick<ReconcileOptions, "publishMovedPorts" | "machineIp"> {
  /** The revision of the names. */
  readonly revision: number;
}

function servicesOf(bindings: readonly Binding[]): ReadonlySet<string> {
  return new Set(bindings.map(({ group }) => group.service));
}

function isHeldVirtual({ group, heldBy }: Binding): boolean {
  return group.virtual && heldBy === "program";
}

function redirectOf({ group: { address, port }, port: to }: Binding): Redirect {
  return { address, from: port, to: to! };
}

async function redirect(
  redirects: readonly Redirect[],
  effects: RedirectEffects,
  bindings: OpenListeners["bindings"],
): Promise<ReadonlyMap<string, string>> {
  try {
    return new Map(await effects.ensure(redirects));
  } catch (error) {
    const reason = messageOf(error);
    const virtual = bindings.filter(({ group }) => group.virtual);
    return new Map(virtual.map(({ group: { address, port } }) => [listenerKey(address, port), reason]));
  }
}

/** Sets the routes of everything that listens. */
function setRoutes(
  bindings: readonly Binding[],
  listeners: ListenerEffects,
  withheld: ReadonlyMap<string, WithheldName>,
): readonly Route[] {
  const routes = bindings.flatMap(({ group, port }) =>
    port === undefined ? [] : group.routes.map((route) => ({ ...route, localPort: port }))
  );
  const interfaces = withheld.entries().map(([name, { listenInterface }]) =>
    [name, listenInterface] as const
  );
  listeners.setRoutes(new RouteTable(routes, new Map(interfaces)));
  return routes;
}

/** Only after no name leads there any more: another program may take the port at once. */
async function closeUnused(listeners: ListenerEffects, used: ReadonlySet<string>): Promise<void> {
  const unused = listeners.observe().filter((key) => !used.has(key));
  await Promise.all(unused.map((key) => listeners.close(key)));
}

async function publishNames(
  routes: readonly Route[],
  effects: NameEffects,
  { revision, machineIp }: Pick<LeadOptions, "revision" | "machineIp">,
) {
  const names = new Map(routes.map((route) => [route.hostname, machineAddress(route, machineIp)]));
  try {
    // A copy, because the publisher may change its own map.
    const nameReasons = new Map(await effects.publish(names, revision));
    return { names, nameReasons, nameProblem: effects.problem };
  } catch (error) {
    const reason = messageOf(error);
    const nameReasons = new Map([...names.keys()].map((name) => [name, reason]));
    return { names, nameReasons, nameProblem: reason };
  }
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

/**
 * Returns the ports to save. Endpoints that are away or cannot listen keep theirs. So does an http
 * endpoint that has its own port on a virtual address, for its clients in network mode.
 */
function portsToSave(
  bindings: readonly Binding[],
  { saved, open }: { readonly saved: ReadonlyMap<string, number>; readonly open: ReadonlySet<string> },
) {
  const ports = new Map(saved);
  for (const { group, port = saved.get(group.service) } of bindings) {
    const before = saved.get(group.service);
    const isOfNetworkMode = group.virtual && port === group.port && group.routes[0]?.scheme === "http" &&
      before !== undefined && !open.has(listenerKey(group.address, before));
    if (isOfNetworkMode) continue;
    for (const route of group.routes) ports.delete(serviceKey(route));
    if (port !== undefined && port !== group.port) ports.set(group.service, port);
  }
  return ports;
}
