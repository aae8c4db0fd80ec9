import type { Route } from "../../model/route_table.ts";
import type { RequestHead } from "./parse_head.ts";

/**
 * Returns the Host by which the cloud knows the endpoint: without the port if it is 80 or 443, as
 * in the Go daemon.
 */
export function hostFieldOf({ hostname, port }: NamedRoute): string {
  return port === 80 || port === 443 ? hostname : `${hostname}:${port}`;
}

/** Returns true if the cloud would accept the Host of a request as it is. */
export function hasOwnHost({ host, port }: RequestHead, route: NamedRoute): boolean {
  if (host !== route.hostname) return false;
  return port === route.port || (port === undefined && hostFieldOf(route) === host);
}

type NamedRoute = Pick<Route, "hostname" | "port">;
