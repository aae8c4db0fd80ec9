import { serviceKey } from "../model/endpoint.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { listenerKey, type Route } from "../model/route_table.ts";

/** Routes that share one listener. */
export interface ListenerGroup {
  readonly address: string;
  /** The port of the URL. */
  readonly port: number;
  readonly routes: readonly Route[];
  /** The service key of the first route. A remapped port is saved under it. */
  readonly service: string;
  /** True if the address belongs to one host name only. */
  readonly virtual: boolean;
  /** True if another port will do when this one is in use. */
  readonly remappable: boolean;
  /** True for a listener of one endpoint beside the shared one, on another port. */
  readonly extra: boolean;
}

/** Groups routes by listener. Only http, https and tls outside virtual mode share one. */
export function groupListeners(routes: readonly Route[]): ListenerGroup[] {
  const shared = new Map<string, Route[]>();
  const groups: ListenerGroup[] = [];
  for (const route of routes) {
    const { address, localPort: port, listenInterface, scheme, extra = false } = route;
    const virtual = listenInterface === VIRTUAL;
    const remappable = virtual || scheme === "tcp" || extra;
    const members = remappable ? undefined : shared.get(listenerKey(address, port));
    if (members !== undefined) {
      members.push(route);
      continue;
    }
    const routes = [route];
    if (!remappable) shared.set(listenerKey(address, port), routes);
    groups.push({ address, port, routes, service: serviceKey(route), virtual, remappable, extra });
  }
  return groups;
}

/**
 * Maps the listener keys of the saved ports to the services that were remapped there. On a virtual
 * address the port of a URL is not among them: without it the name would not resolve.
 */
export function remappedListeners(
  groups: readonly ListenerGroup[],
  ports: ReadonlyMap<string, number>,
): ReadonlyMap<string, string> {
  const remapped = new Map<string, string>();
  if (ports.size === 0) return remapped;
  const own = new Set(groups.filter(isVirtual).map(({ address, port }) => listenerKey(address, port)));
  for (const { address, service, remappable } of groups) {
    const saved = ports.get(service);
    if (saved === undefined || !remappable) continue;
    const key = listenerKey(address, saved);
    if (!own.has(key)) remapped.set(key, service);
  }
  return remapped;
}

function isVirtual({ virtual }: ListenerGroup): boolean {
  return virtual;
}
