import type { SimulatedCloud } from "./cloud/cloud.ts";

/** One endpoint of the development stage, and how a user reaches it. */
export interface DevEndpoint {
  readonly id: string;
  readonly url: string;
  readonly kind: "http" | "tcp" | "tls" | "down";
  /** The name to ask for: the URL's, or one below a wildcard. */
  readonly name: string;
  readonly note: string;
}

/** Adds a mixed set: http, tcp, tls, a wildcard, a pool of two, and one whose backend is down. */
export function addDevEndpoints(cloud: SimulatedCloud): DevEndpoint[] {
  const add = (
    url: string,
    kind: DevEndpoint["kind"],
    options: { name?: string; note?: string; pooling?: boolean } = {},
  ): DevEndpoint => {
    const { name = new URL(url.replace(/^[a-z]+:/, "http:")).hostname, note = "", pooling = false } = options;
    return { id: cloud.addEndpoint({ url, backend: kind, pooling }).id, url, kind, name, note };
  };
  return [
    add("http://api.myapp:8080", "http"),
    add("tcp://db.internal:5432", "tcp"),
    add("tls://secure.myapp:8443", "tls"),
    add("http://*.apps.example.com:8082", "http", { name: "shop.apps.example.com", note: "wildcard" }),
    add("http://pool.myapp:8083", "http", { pooling: true, note: "pool" }),
    add("http://pool.myapp:8083", "http", { pooling: true, note: "pool" }),
    add("http://broken.myapp:8084", "down", { note: "its backend is down" }),
  ];
}

/** The command that a user types to reach the endpoint at its local address. */
export function exampleCommand(endpoint: DevEndpoint, place: { address: string; caPath: string }): string {
  const { address, caPath } = place;
  const port = address.split(":")[1];
  if (endpoint.kind === "tcp") return `nc ${address.replace(":", " ")}`;
  if (endpoint.kind === "tls") {
    return `curl --cacert ${caPath} --resolve ${endpoint.name}:${port}:${
      address.split(":")[0]
    } https://${endpoint.name}:${port}/`;
  }
  return `curl -H "Host: ${endpoint.name}" http://${address}/`;
}
