import type { Redirect } from "../model/redirect.ts";
import { listenerKey } from "../model/route_table.ts";

/** Returns that reason for every redirect, by `address:port` of the held port. */
export function refuseRedirects(redirects: readonly Redirect[], reason: string): Map<string, string> {
  return new Map(redirects.map(({ address, from }) => [listenerKey(address, from), reason]));
}
