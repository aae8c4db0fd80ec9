import { getLogger } from "@logtape/logtape";
import { serviceKey } from "../model/endpoint.ts";
import { messageOf } from "../model/errors.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { type Route, RouteTable } from "../model/route_table.ts";
import { bind, type Binding } from "./bind.ts";
import type { Change } from "./diff.ts";
import type { AddressEffects, ListenerEffects, NameEffects, RoundEffects } from "./effects.ts";
import { logFirst } from "./log_first.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Applies the changes in four steps: addresses, listeners, routes, names. An error becomes a reason in the outcome. */
export async function reconcile(
  changes: readonly Change[],
  effects: Omit<RoundEffects, "state">,
  options: ReconcileOptions,
): Promise<ReconcileOutcome> {
  const addresses = await ensureAddresses(changes, effects.addresses);
  const bindings = bind(changes, { ...options, listeners: effects.listeners, missing: addresses.missing });
  const routes = setRoutes(bindings, effects.listeners);
  const names = await publishNames(routes, effects.names);
  const remapped = bindings.filter(isRemapped);
  logRemapped(remapped, options.ports);
  return {
    routes,
    reasons: joinReasons([
      ...bindings.flatMap((binding) => bindingReasons(binding, addresses.error)),
      ...routes.filter(isNamed).map((route) => [route, names.reasons.get(route.hostname)] as const),
    ]),
    ports: portsToSave(bindings, options.ports),
    isComplete: bindings.every(({ port }) => port !== undefined),
    applied: {
      listeners: usedListeners(bindings),
      remapped: remapped.map(({ group: { address, port } }) => ({ address, port })),
      addresses: addresses.wanted,
      names: names.published,
      nameReasons: names.reasons,
    },
  };
}

/** Options of {@linkcode reconcile}. */
export interface ReconcileOptions {
  /** Service → remapped port, from earlier rounds. */
  readonly ports: ReadonlyMap<string, number>;
  /** The first port to try when a port is in use. */
  readonly startPort: number;
}

/** The result of {@linkcode reconcile}. An endpoint that fails never stops the others. */
export interface ReconcileOutcome {
  /** The routes that have a listener, with its port. */
  readonly routes: readonly Route[];
  /** Service → the reason why it has no route, or what is unusual about it. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Service → remapped port, to be saved. */
  readonly ports: ReadonlyMap<string, number>;
  /** True if everything that was wanted listens. */
  readonly isComplete: boolean;
  readonly applied: Applied;
}

/** Everything that a round has set up on this machine. */
export interface Applied {
  /** The keys of the listeners. */
  readonly listeners: ReadonlySet<string>;
  /** The addresses and own ports of the services that have been remapped. */
  readonly remapped: readonly { readonly address: string; readonly port: number }[];
  readonly addresses: readonly string[];
  /** Host name → address. */
  readonly names: ReadonlyMap<string, string>;
  /** Host name → the reason why it does not resolve, or what is unusual about it. */
  readonly nameReasons: ReadonlyMap<string, string>;
}

async function ensureAddresses(changes: readonly Change[], addresses: AddressEffects) {
  const groups = changes.flatMap((change) => change.kind === "close" ? [] : [change.group]);
  const wanted = [...new Set(groups.filter(({ virtual }) => virtual).map(({ address }) => address))];
  try {
    return { wanted, missing: await addresses.ensure(wanted) };
  } catch (error) {
    // A driver that throws says nothing about single addresses. Binding shows which of them exist.
    return { wanted, missing: new Map<string, string>(), error: messageOf(error) };
  }
}

/** Sets the routes of everything that listens, and then closes the listeners that nobody uses any more. */
function setRoutes(bindings: readonly Binding[], listeners: ListenerEffects): readonly Route[] {
  const routes = bindings.flatMap(({ group, port }) =>
    port === undefined ? [] : group.routes.map((route) => ({ ...route, localPort: port }))
  );
  listeners.setRoutes(new RouteTable(routes));
  const used = usedListeners(bindings);
  for (const key of listeners.observe()) {
    if (!used.has(key)) listeners.close(key);
  }
  return routes;
}

async function publishNames(routes: readonly Route[], names: NameEffects) {
  const published = new Map(routes.filter(isNamed).map(({ hostname, address }) => [hostname, address]));
  try {
    // A copy, because the publisher may change its own map.
    return { published, reasons: new Map(await names.publish(published)) };
  } catch (error) {
    const reason = messageOf(error);
    return { published, reasons: new Map([...published.keys()].map((name) => [name, reason])) };
  }
}

/** True for a name that a publisher can make resolve. Only DNS answers for wildcards and for names of shared listeners. */
function isNamed({ mode, wildcard }: Route): boolean {
  return mode === VIRTUAL && !wildcard;
}

function usedListeners(bindings: readonly Binding[]): ReadonlySet<string> {
  return new Set(bindings.flatMap((binding) => binding.port === undefined ? [] : [binding.listener]));
}

function isRemapped({ group, port }: Binding): boolean {
  return port !== undefined && port !== group.port && !group.extra;
}

function logRemapped(remapped: readonly Binding[], saved: ReadonlyMap<string, number>): void {
  logFirst(remapped.filter(({ group, port }) => port !== saved.get(group.service)), {
    one: ({ group: { address, port, service }, port: next }) =>
      log.warn("Port in use, trying next port", { address, port, next, url: service }),
    rest: (count) => log.warn("{count} more ports are in use", { count, hint: "See: ngrokctl list" }),
  });
}

/** A group that cannot listen now keeps its saved port. */
function portsToSave(
  bindings: readonly Binding[],
  saved: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  return new Map(
    bindings.flatMap(({ group, port = saved.get(group.service) }) =>
      port === undefined || port === group.port ? [] : [[group.service, port]]
    ),
  );
}

type Reason = readonly [route: Route, reason: string | undefined];

function bindingReasons(binding: Binding, addressError: string | undefined): Reason[] {
  const { group } = binding;
  return group.routes.map((route) => [route, reasonOf()]);

  function reasonOf(): string | undefined {
    if (binding.port === undefined) {
      if (group.extra) return `no port for any Host: ${binding.reason}`;
      return group.virtual && addressError !== undefined
        ? `${binding.reason}; ${addressError}`
        : binding.reason;
    }
    if (group.extra) return `with any Host on port ${binding.port}`;
    if (binding.port === group.port) return undefined;
    return `port ${group.port} is in use on ${group.address}, listening on ${binding.port}`;
  }
}

/** Service → its reasons. */
function joinReasons(reasons: readonly Reason[]): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [route, reason] of reasons) {
    if (reason === undefined) continue;
    const first = joined.get(serviceKey(route));
    joined.set(serviceKey(route), first === undefined ? reason : `${first}; ${reason}`);
  }
  return joined;
}
