import { EVERYWHERE, listenerKey, type Route } from "../model/route_table.ts";
import { groupListeners, type ListenerGroup, remappedListeners } from "./listener_group.ts";

/**
 * One step from the open listeners to the wanted ones. A listener that is open on its own port is kept. A remapped one is opened each
 * time, because its own port may be free again.
 */
export type Change =
  | { readonly kind: "close"; readonly key: string }
  | { readonly kind: "keep" | "open"; readonly group: ListenerGroup };

/** The listeners of this machine. */
export interface Observed {
  /** The keys of the open listeners. */
  readonly observed: readonly string[];
  /** Service → remapped port. */
  readonly ports: ReadonlyMap<string, number>;
}

/** Compares the wanted routes with the open listeners. Listeners that nobody needs are closed before any is opened. */
export function diff(routes: readonly Route[], { observed, ports }: Observed): Change[] {
  const groups = groupListeners(routes);
  const remapped = remappedListeners(groups, ports);
  const everywhere = new Set(
    groups.filter(({ address, extra }) => address === EVERYWHERE && !extra).map(({ port }) => port),
  );
  const open = new Set(observed);
  const kept = new Set<string>();
  const covered = new Set<string>();
  const wanted = groups.map((group): Change => {
    const { address, port, service, remappable, extra } = group;
    const key = listenerKey(address, port);
    // A listener on every address serves this one too, and cannot be opened beside a listener on this address alone.
    const isCovered = address !== EVERYWHERE && everywhere.has(port);
    if (isCovered) covered.add(key);
    const isOfOther = remappable && (remapped.get(key) ?? service) !== service;
    if (extra || isCovered || isOfOther || kept.has(key) || !open.has(key)) return { kind: "open", group };
    kept.add(key);
    return { kind: "keep", group };
  });
  const close = observed.filter((key) => covered.has(key) || !kept.has(key) && !remapped.has(key));
  return [...close.map((key): Change => ({ kind: "close", key })), ...wanted];
}
