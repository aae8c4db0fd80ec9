import type { Route } from "../../model/route_table.ts";
import type { RequestHead } from "./parse_head.ts";

/**
 * Returns the Host by which the cloud knows the endpoint: in the spelling of the API, and without
 * the port if it is 80 or 443, as in the Go daemon.
 */
export function hostFieldOf({ hostname, spelling = hostname, port }: NamedRoute): string {
  return hasUsualPort(port) ? spelling : `${spelling}:${port}`;
}

/** Returns true if the cloud would accept the Host of a request as it is. */
export function hasOwnHost({ host, port }: RequestHead, route: NamedRoute): boolean {
  if (host !== route.hostname) return false;
  return port === route.port || (port === undefined && hasUsualPort(route.port));
}

function hasUsualPort(port: number): boolean {
  return port === 80 || port === 443;
}

type NamedRoute = Pick<Route, "hostname" | "spelling" | "port">;
