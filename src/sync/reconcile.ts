import { getLogger } from "@logtape/logtape";
import { BindError, messageOf } from "../model/errors.ts";
import { listenerKey, type Route, RouteTable } from "../model/route_table.ts";
import { VIRTUAL } from "./allocate.ts";
import { type Change, type ListenerGroup, remapKey } from "./diff.ts";
import type { RoundEffects } from "./effects.ts";

const log = getLogger(["ngrokd", "sync"]);

/** How many ports are tried when the wanted one is taken. */
const MAX_PORT_TRIES = 20;

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
  const bindings: { readonly group: ListenerGroup; readonly port: number }[] = [];
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
      failGroup(group, trouble !== undefined && isVirtual(group) ? joinReasons(bound, trouble) : bound);
      continue;
    }
    if (bound !== group.port) ports.set(remapKey(group), bound);
    bindings.push({ group, port: bound });
  }
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
      if (port === group.port) continue;
      notes.set(keyOf(route), `port ${group.port} is in use on ${group.address}, listening on ${port}`);
    }
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
  return { routes, failures, notes, ports };

  function failGroup(group: ListenerGroup, reason: string): void {
    for (const route of group.routes) failures.set(keyOf(route), reason);
  }

  /** Undefined if it is bound, else why not. */
  function tryBind(group: ListenerGroup, port: number): BindError | undefined {
    const { address } = group;
    const key = listenerKey(address, port);
    if (taken.has(key) || group.remappable && spare.isHeldByOther(group, port)) {
      return new BindError(`Cannot bind ${key}: another endpoint listens there`, {
        address: key,
        reason: "in_use",
      });
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
  const { address, port, remappable } = group;
  const { saved, spare, tryBind } = ports;
  const first = tryBind(group, port);
  if (first === undefined) return port;
  if (!remappable) return reasonOf(first);
  // Whatever keeps it from its own port (no descriptor may be left), the listener on the other one stays.
  if (saved !== undefined && tryBind(group, saved) === undefined) return saved;
  if (first.reason !== "in_use") return reasonOf(first);
  const fallbacks = spare.after(group);
  for (const candidate of fallbacks) {
    const failure = tryBind(group, candidate);
    if (failure === undefined) {
      spare.use(group, candidate);
      log.warn("Port in use, trying next port", { address, port, next: candidate, url: remapKey(group) });
      return candidate;
    }
    if (failure.reason !== "in_use") return failure.message;
  }
  return `${first.message}, and so are the ${fallbacks.length} ports from ${fallbacks[0] ?? "65535"} up`;
}

/** Which ports an endpoint may move to: not those that others listen on, will come back to, or have in their URL. */
class SparePorts {
  readonly #startPort: number;
  /** `address:port` → the service whose saved port it is. */
  readonly #holders = new Map<string, string>();
  /** Saved ports of services that are away now. Their address is not known. */
  readonly #away: ReadonlySet<number>;
  /** Of the URLs. Where addresses are shared a port counts on all of them: 0.0.0.0 is each of them. */
  readonly #own: ReadonlySet<string | number>;
  /** By address: nothing below is left to try. */
  readonly #next = new Map<string, number>();

  constructor(groups: readonly ListenerGroup[], options: ReconcileOptions) {
    this.#startPort = options.startPort;
    const away = new Map(options.ports);
    for (const group of groups) {
      const saved = away.get(remapKey(group));
      away.delete(remapKey(group));
      if (saved !== undefined && group.remappable) {
        this.#holders.set(listenerKey(group.address, saved), remapKey(group));
      }
    }
    this.#away = new Set(away.values());
    this.#own = new Set(groups.map((group) => ownPlace(group, group.port)));
  }

  isHeldByOther(group: ListenerGroup, port: number): boolean {
    const holder = this.#holders.get(listenerKey(group.address, port));
    return holder !== undefined && holder !== remapKey(group);
  }

  /** The next few to try. A virtual address is its name's own: nobody who is away comes back to it. */
  after(group: ListenerGroup): number[] {
    const found: number[] = [];
    for (
      let port = this.#next.get(group.address) ?? this.#startPort;
      port <= 65535 && found.length < MAX_PORT_TRIES;
      port++
    ) {
      if (this.isHeldByOther(group, port) || !isVirtual(group) && this.#away.has(port)) continue;
      if (this.#own.has(ownPlace(group, port))) continue;
      found.push(port);
    }
    return found;
  }

  use(group: ListenerGroup, port: number): void {
    this.#next.set(group.address, port + 1);
  }
}

function ownPlace(group: ListenerGroup, port: number): string | number {
  return isVirtual(group) ? listenerKey(group.address, port) : port;
}

function isVirtual(group: ListenerGroup): boolean {
  return group.routes[0]?.mode === VIRTUAL;
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
