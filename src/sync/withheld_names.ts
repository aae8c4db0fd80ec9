import { serviceKey } from "../model/endpoint.ts";
import type { Binding } from "./bind.ts";

/**
 * Returns the names that must not resolve: another program may answer on a port of theirs that
 * ngrokd does not serve. Each has the service for which this is so.
 */
export function withheldNames(
  bindings: readonly Binding[],
  options: { readonly redirected: ReadonlySet<string> },
): ReadonlyMap<string, WithheldName> {
  const withheld = new Map<string, WithheldName>();
  for (const { group, port } of bindings) {
    if (group.extra || port === group.port || options.redirected.has(group.service)) continue;
    for (const route of group.routes) {
      const { hostname, listenInterface } = route;
      if (!withheld.has(hostname)) withheld.set(hostname, { service: serviceKey(route), listenInterface });
    }
  }
  return withheld;
}

/** A name that must not resolve. */
export interface WithheldName {
  /** The key of a service that is not served on its own port. */
  readonly service: string;
  /** `virtual`, or the interface or address of the name's listeners. */
  readonly listenInterface: string;
}
