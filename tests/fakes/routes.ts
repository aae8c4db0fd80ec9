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
