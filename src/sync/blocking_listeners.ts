import { ANY_ADDRESS } from "../model/route_table.ts";
import type { ListenerDiff } from "./diff.ts";

/**
 * Returns the listeners that nobody needs and beside which a wanted one could not be opened: it has
 * the same port, and one of both is on every address. Any other stays open until no name leads
 * there, because another program may take its port at once.
 */
export function blockingListeners(
  { close, wanted }: ListenerDiff,
  { ports }: { readonly ports: ReadonlyMap<string, number> },
): readonly string[] {
  const all = new Set<number>();
  const everywhere = new Set<number>();
  for (const { kind, group } of wanted) {
    if (kind === "keep") continue;
    for (const port of [group.port, ports.get(group.service) ?? group.port]) {
      all.add(port);
      if (group.address === ANY_ADDRESS) everywhere.add(port);
    }
  }
  return close.filter((key) => {
    const end = key.lastIndexOf(":");
    const isEverywhere = key.slice(0, end) === ANY_ADDRESS;
    return (isEverywhere ? all : everywhere).has(Number(key.slice(end + 1)));
  });
}
