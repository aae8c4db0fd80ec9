import { serviceKey } from "../model/endpoint.ts";
import { listenerKey } from "../model/route_table.ts";
import type { Binding } from "./bind.ts";

/**
 * Returns the names that must not resolve: another program may answer on a port of theirs that
 * ngrokd does not serve. Each has the service for which this is so.
 */
export function withheldNames(
  bindings: readonly Binding[],
  { unserved, redirected, redirectReasons }: WithheldOptions,
): ReadonlyMap<string, WithheldName> {
  const withheld = new Map(unserved);
  for (const { group, port } of bindings) {
    const isServed = port === group.port && !redirectReasons.has(listenerKey(group.address, group.port));
    if (group.extra || isServed || redirected.has(group.service)) continue;
    for (const route of group.routes) {
      const { hostname, listenInterface } = route;
      if (!withheld.has(hostname)) withheld.set(hostname, { service: serviceKey(route), listenInterface });
    }
  }
  return withheld;
}

/** Options of {@linkcode withheldNames}. */
export interface WithheldOptions {
  /** The names with a service that has no route. */
  readonly unserved: ReadonlyMap<string, WithheldName>;
  /** The services whose own port leads to the port that ngrokd has. */
  readonly redirected: ReadonlySet<string>;
  /** `address:port` → the reason why it is not redirected, or still is. */
  readonly redirectReasons: ReadonlyMap<string, string>;
}

/** A name that must not resolve. */
export interface WithheldName {
  /** The key of a service that is not served on its own port. */
  readonly service: string;
  /** `virtual`, or the interface or address of the name's listeners. */
  readonly listenInterface: string;
}
