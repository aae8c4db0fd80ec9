import { EVERYWHERE, listenerKey, type Route } from "../model/route_table.ts";
import { VIRTUAL } from "../model/listen_mode.ts";

/** The routes that share one listener, and whether another port will do when theirs is taken. */
export interface ListenerGroup {
  readonly address: string;
  readonly port: number;
  readonly routes: readonly Route[];
  readonly remappable: boolean;
  /** A listener for one endpoint beside the shared one: on any port but the shared one's. */
  readonly extra: boolean;
}

/** One step towards what is wanted. Closing comes first: an own listener on 0.0.0.0 would hold the port of a new, narrower one. */
export type Change =
  | { readonly kind: "close"; readonly key: string }
  | { readonly kind: "open"; readonly group: ListenerGroup };

/** What is there now. */
export interface Observed {
  /** `address:port` of every open listener. */
  readonly observed: readonly string[];
  /** Service → the local port that it had to take instead of its own. */
  readonly ports: ReadonlyMap<string, number>;
}

/**
 * Compares the wanted routes with the listeners that are observed to be open. Every group is in the result: opening one that is open is
 * no work, and one that had to move to another port tries its own again.
 */
export function diff(routes: readonly Route[], now: Observed): Change[] {
  const { observed, ports } = now;
  const groups = groupListeners(routes);
  const keep = new Set<string>();
  for (const group of groups) {
    keep.add(listenerKey(group.address, group.port));
    const saved = ports.get(remapKey(group));
    if (saved !== undefined) keep.add(listenerKey(group.address, saved));
  }
  // Beside a listener on one address, none on every address can be opened on the same port: that one takes its connections.
  const everywhere = new Set(groups.filter(isEverywhere).map((group) => group.port));
  for (const group of groups) {
    if (group.address !== EVERYWHERE && everywhere.has(group.port)) {
      keep.delete(listenerKey(group.address, group.port));
    }
  }
  return [
    ...observed.filter((key) => !keep.has(key)).map((key): Change => ({ kind: "close", key })),
    ...groups.map((group): Change => ({ kind: "open", group })),
  ];
}

/** Whether the group's listener has the connections to every address of this machine, on its own port. */
function isEverywhere({ address, extra }: ListenerGroup): boolean {
  return address === EVERYWHERE && !extra;
}

/** `host:port`, under which a group's other port is remembered. */
export function remapKey(group: ListenerGroup): string {
  const [first] = group.routes;
  return `${first!.hostname}:${first!.port}`;
}

function groupListeners(routes: readonly Route[]): ListenerGroup[] {
  const shared = new Map<string, Route[]>();
  const groups: (ListenerGroup & { routes: Route[] })[] = [];
  for (const route of routes) {
    const { address, localPort: port, mode, scheme, own: extra = false } = route;
    const remappable = mode === VIRTUAL || scheme === "tcp" || extra;
    const key = listenerKey(address, port);
    const group = remappable ? undefined : shared.get(key);
    if (group !== undefined) {
      group.push(route);
      continue;
    }
    const members = [route];
    if (!remappable) shared.set(key, members);
    groups.push({ address, port, routes: members, remappable, extra });
  }
  return groups;
}
