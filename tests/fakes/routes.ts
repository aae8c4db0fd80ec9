import type { HostRules } from "../../src/forward/http/refuse_foreign.ts";
import { ListenerRoutes, type Route } from "../../src/model/route_table.ts";

/** A route to the endpoint `scheme://host:port`. */
export function route(url: string, more: Partial<Route> = {}): Route {
  const [, scheme, hostname, port] = /^([a-z]+):\/\/([^:]+):([0-9]+)$/.exec(url)!;
  return {
    scheme: scheme as Route["scheme"],
    hostname: hostname!,
    port: Number(port),
    wildcard: hostname!.startsWith("*."),
    endpointIds: [`ep_${hostname}`],
    address: "127.0.0.1",
    localPort: Number(port),
    listenInterface: "virtual",
    ...more,
  };
}

/** The routes of a listener with these endpoints. */
export function routes(...urls: string[]): ListenerRoutes {
  return new ListenerRoutes(urls.map((url) => route(url)));
}

/** The rules of a machine with the address 192.168.1.10 and virtual addresses in 10.107.0.0/16. */
export function hostRules(...allowHosts: string[]): HostRules {
  return {
    isOwnAddress: (address) => address === "192.168.1.10" || address.startsWith("10.107."),
    allowHosts: () => allowHosts,
  };
}
