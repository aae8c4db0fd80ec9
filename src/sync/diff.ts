import { ANY_ADDRESS, listenerKey, type Route } from "../model/route_table.ts";
import { groupListeners, type ListenerGroup, remappedListeners } from "./listener_group.ts";

/** Compares the wanted routes with the open listeners. */
export function diff(routes: readonly Route[], { observed, ports }: ObservedListeners): ListenerDiff {
  const groups = groupListeners(routes);
  const remapped = remappedListeners(groups, ports);
  const everywhere = new Set(
    groups.filter(({ address, extra }) => address === ANY_ADDRESS && !extra).map(({ port }) => port),
  );
  const open = new Set(observed);
  const kept = new Set<string>();
  const covered = new Set<string>();
  const wanted = groups.map((group): WantedListener => {
    const { address, port, service, remappable, extra } = group;
    const key = listenerKey(address, port);
    // A listener on every address serves this one too, and cannot be opened beside its own.
    const isCovered = address !== ANY_ADDRESS && everywhere.has(port);
    if (isCovered) covered.add(key);
    const isOfOther = remappable && (remapped.get(key) ?? service) !== service;
    if (extra || isCovered || isOfOther || kept.has(key) || !open.has(key)) return { kind: "open", group };
    kept.add(key);
    return { kind: "keep", group };
  });
  const close = observed.filter((key) => covered.has(key) || !kept.has(key) && !remapped.has(key));
  return { close, wanted };
}

/** The difference between the open listeners and the wanted ones. */
export interface ListenerDiff {
  /** The keys of the listeners that nobody needs. */
  readonly close: readonly string[];
  /** The listeners in the order in which they get ports. */
  readonly wanted: readonly WantedListener[];
}

/** A wanted listener. It is kept if it is open on its own port; a remapped one tries that again. */
export interface WantedListener {
  readonly kind: "keep" | "open";
  readonly group: ListenerGroup;
}

/** The listeners of this machine. */
export interface ObservedListeners {
  /** The keys of the open listeners. */
  readonly observed: readonly string[];
  /** Service → remapped port. */
  readonly ports: ReadonlyMap<string, number>;
}
