import { getLogger } from "@logtape/logtape";
import { BindError, messageOf } from "../model/errors.ts";
import { EVERYWHERE, listenerKey, type Route, RouteTable } from "../model/route_table.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { type Change, type ListenerGroup, remapKey } from "./diff.ts";
import type { RoundEffects } from "./effects.ts";
import { sayEach } from "./say_each.ts";
import { isVirtual, SparePorts } from "./spare_ports.ts";

const log = getLogger(["ngrokd", "sync"]);

/**
 * How many of a round's new listeners are closed again when no descriptor was left for the next: files, the API, the control socket and
 * connections need some too. All can be had again by the next round, if there are descriptors then.
 */
const DESCRIPTORS_LEFT_FREE = 64;

/** What reconciling goes by. */
export interface ReconcileOptions {
  /** Service → local port, from earlier rounds. */
  readonly ports: ReadonlyMap<string, number>;
  readonly startPort: number;
}

/** What came of it, endpoint by endpoint: one that fails never stops the others. */
export interface ReconcileOutcome {
  /** As they listen now; a port may differ from the wanted one. */
  readonly routes: readonly Route[];
  /** Service (`host:port`) → why it does not listen, or what is unusual about it. */
  readonly failures: ReadonlyMap<string, string>;
  readonly notes: ReadonlyMap<string, string>;
  readonly ports: ReadonlyMap<string, number>;
  /** Where listeners would be that had to take another port. */
  readonly displaced: readonly { readonly address: string; readonly port: number }[];
  /** What was asked of the addresses' driver and of the names' publisher, and what that one said of single names. */
  readonly addresses: readonly string[];
  readonly names: ReadonlyMap<string, string>;
  readonly nameReasons: ReadonlyMap<string, string>;
}

/** Applies the changes: addresses, listeners, routes, names. Errors become reasons in the outcome. */
export async function reconcile(
  changes: readonly Change[],
  effects: Omit<RoundEffects, "state">,
  options: ReconcileOptions,
): Promise<ReconcileOutcome> {
  const { addresses, listeners, names } = effects;
  const failures = new Map<string, string>();
  const notes = new Map<string, string>();
  const ports = new Map<string, number>();
  const displaced: { readonly address: string; readonly port: number }[] = [];
  const moved: { readonly group: ListenerGroup; readonly next: number }[] = [];
  const bindings: { readonly group: ListenerGroup; readonly port: number }[] = [];
  const extras: { readonly group: ListenerGroup; readonly note: string }[] = [];
  const groups = changes.flatMap((change) => change.kind === "open" ? [change.group] : []);
  const wanted = [...new Set(groups.filter(isVirtual).map((group) => group.address))];
  // A driver that throws has said nothing of single addresses: binding them tells, and what listens goes on.
  let trouble: string | undefined;
  const missing = await addresses.ensure(wanted).catch((error: unknown) => {
    trouble = messageOf(error);
    return new Map<string, string>();
  });
  for (const change of changes) {
    if (change.kind === "close") listeners.close(change.key);
  }

  const open = new Set(listeners.observe());
  const opened: string[] = [];
  let exhausted = false;
  const taken = new Set<string>();
  const spare = new SparePorts(groups, options);
  for (const group of groups) {
    const why = missing.get(group.address);
    if (why !== undefined) {
      failGroup(group, why);
      continue;
    }
    const saved = options.ports.get(remapKey(group));
    const bound = bindGroup(group, { saved, spare, tryBind });
    if (typeof bound === "string") {
      if (saved !== undefined) ports.set(remapKey(group), saved);
      if (group.extra) extras.push({ group, note: `no port for any Host: ${bound}` });
      else failGroup(group, trouble !== undefined && isVirtual(group) ? joinReasons(bound, trouble) : bound);
      continue;
    }
    if (bound !== group.port) {
      ports.set(remapKey(group), bound);
      if (group.extra) {
        extras.push({ group, note: `with any Host on port ${bound}` });
      } else {
        displaced.push({ address: group.address, port: group.port });
        if (bound !== saved) moved.push({ group, next: bound });
      }
    }
    bindings.push({ group, port: bound });
  }
  tellMoved(moved);
  const givenUp = new Set(exhausted ? opened.slice(-DESCRIPTORS_LEFT_FREE) : []);
  const routes: Route[] = [];
  for (const { group, port } of bindings) {
    const key = listenerKey(group.address, port);
    if (givenUp.has(key)) {
      taken.delete(key);
      failGroup(group, reasonOf(noDescriptor(key)));
      continue;
    }
    for (const route of group.routes) {
      routes.push({ ...route, localPort: port });
      if (port === group.port || group.extra) continue;
      notes.set(keyOf(route), `port ${group.port} is in use on ${group.address}, listening on ${port}`);
    }
  }
  for (const { group, note } of extras) {
    for (const route of group.routes) notes.set(keyOf(route), joinReasons(notes.get(keyOf(route)), note));
  }
  listeners.setRoutes(new RouteTable(routes));
  for (const key of listeners.observe()) {
    if (!taken.has(key)) listeners.close(key);
  }

  const published = new Map(routes.filter(isNamed).map((route) => [route.hostname, route.address]));
  const unpublished = await names.publish(published).catch((error: unknown) => {
    const reason = messageOf(error);
    return new Map([...published.keys()].map((name) => [name, reason]));
  });
  for (const route of routes) {
    const reason = isNamed(route) ? unpublished.get(route.hostname) : undefined;
    if (reason !== undefined) notes.set(keyOf(route), joinReasons(notes.get(keyOf(route)), reason));
  }
  return {
    routes,
    failures,
    notes,
    ports,
    displaced,
    addresses: wanted,
    names: published,
    nameReasons: unpublished,
  };

  function failGroup(group: ListenerGroup, reason: string): void {
    for (const route of group.routes) failures.set(keyOf(route), reason);
  }

  /** Undefined if it is bound, else why not. */
  function tryBind(group: ListenerGroup, port: number): BindError | undefined {
    const { address } = group;
    const key = listenerKey(address, port);
    const isCovered = address !== EVERYWHERE && taken.has(listenerKey(EVERYWHERE, port));
    const isOwnPort = port === group.port && !group.extra;
    if (
      taken.has(key) || isCovered && !isOwnPort || group.remappable && spare.isHeldByOther(group, port)
    ) {
      return new BindError(`Cannot bind ${key}: another endpoint listens there`, {
        address: key,
        reason: "in_use",
      });
    }
    // It has the connections to this address too (see diff()).
    if (isCovered) {
      taken.add(key);
      return undefined;
    }
    try {
      if (!open.has(key)) {
        if (exhausted) return noDescriptor(key);
        listeners.open({ address, port });
        opened.push(key);
      }
    } catch (error) {
      if (!(error instanceof BindError)) {
        return new BindError(`Cannot bind ${key}: ${messageOf(error)}`, {
          address: key,
          reason: "other",
          cause: error,
        });
      }
      if (error.reason !== "exhausted") return error;
      exhausted = true;
      return noDescriptor(key);
    }
    taken.add(key);
    return undefined;
  }
}

interface BindPorts {
  readonly saved: number | undefined;
  readonly spare: SparePorts;
  readonly tryBind: (group: ListenerGroup, port: number) => BindError | undefined;
}

/** The port that was bound, or why none was. */
function bindGroup(group: ListenerGroup, ports: BindPorts): number | string {
  const { port, remappable } = group;
  const { saved, spare, tryBind } = ports;
  const first = group.extra ? sharedPort(group) : tryBind(group, port);
  if (first === undefined) return port;
  if (!remappable) return reasonOf(first);
  // Whatever keeps it from its own port (no descriptor may be left), the listener on the other one stays.
  if (saved !== undefined && tryBind(group, saved) === undefined) return saved;
  if (first.reason !== "in_use") return reasonOf(first);
  const tried: number[] = [];
  for (const candidate of spare.after(group)) {
    const failure = tryBind(group, candidate);
    if (failure === undefined) {
      spare.use(group, candidate);
      return candidate;
    }
    if (failure.reason !== "in_use") return failure.message;
    tried.push(candidate);
  }
  return `${first.message}, and so are the ${tried.length} ports from ${tried[0] ?? "65535"} up`;
}

/** An extra listener stands beside the one that has its endpoint's own port. */
function sharedPort({ address, port }: ListenerGroup): BindError {
  const key = listenerKey(address, port);
  return new BindError(`Cannot bind ${key}: it is shared`, { address: key, reason: "in_use" });
}

function tellMoved(moved: readonly { readonly group: ListenerGroup; readonly next: number }[]): void {
  sayEach(moved, {
    one: ({ group, next }) => {
      const { address, port } = group;
      log.warn("Port in use, trying next port", { address, port, next, url: remapKey(group) });
    },
    rest: (count) => log.warn("{count} more ports are in use: ngrokctl list says which", { count }),
  });
}

/** Wildcards cannot stand in a hosts file, and names of shared listeners are answered by DNS. */
function isNamed(route: Route): boolean {
  return route.mode === VIRTUAL && !route.wildcard;
}

function noDescriptor(address: string): BindError {
  return new BindError(`Cannot bind ${address}: no file descriptor is left`, {
    address,
    reason: "exhausted",
    hint: "Raise the limit of open files: LimitNOFILE= of the unit, or ulimit -n",
  });
}

function reasonOf({ message, hint }: BindError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

function keyOf(route: Route): string {
  return `${route.hostname}:${route.port}`;
}

function joinReasons(first: string | undefined, second: string): string {
  return first === undefined ? second : `${first}; ${second}`;
}
