import type { SimulatedCloud } from "./cloud/cloud.ts";

/**
 * Adds one endpoint of each kind: http, tcp, tls, a wildcard, a pool of two, and one whose backend
 * is down.
 */
export function addDevEndpoints(cloud: SimulatedCloud): DevEndpoint[] {
  const pool = {
    url: "http://pool.myapp:8083",
    kind: "http",
    name: "pool.myapp",
    note: "pool of two",
  } as const;
  const endpoints: readonly Omit<DevEndpoint, "id">[] = [
    { url: "http://api.myapp:8080", kind: "http", name: "api.myapp", note: "" },
    { url: "tcp://db.internal:5432", kind: "tcp", name: "db.internal", note: "" },
    { url: "tls://secure.myapp:8443", kind: "tls", name: "secure.myapp", note: "" },
    { url: "http://*.apps.example.com:8082", kind: "http", name: "shop.apps.example.com", note: "wildcard" },
    pool,
    pool,
    { url: "http://broken.myapp:8084", kind: "down", name: "broken.myapp", note: "its backend is down" },
  ];
  return endpoints.map((endpoint) => {
    const { url, kind } = endpoint;
    return { ...endpoint, id: cloud.addEndpoint({ url, backend: kind, pooling: endpoint === pool }).id };
  });
}

/** One endpoint of `deno task dev`. */
export interface DevEndpoint {
  readonly id: string;
  readonly url: string;
  readonly kind: "http" | "tcp" | "tls" | "down";
  /** The name that a client asks for: the one in the URL, or one below the wildcard. */
  readonly name: string;
  readonly note: "" | "wildcard" | "pool of two" | "its backend is down";
}

/** The command that reaches an endpoint at its local address. */
export function exampleCommand(
  { kind, name }: DevEndpoint,
  { address, caPath }: { address: string; caPath: string },
): string {
  const [ip, port] = address.split(":");
  // A bare machine has curl, but often no nc.
  if (kind === "tcp") return `curl --no-buffer telnet://${address}`;
  if (kind !== "tls") return `curl -H "Host: ${name}" http://${address}/`;
  return `curl --cacert ${caPath} \\\n    --resolve ${name}:${port}:${ip} https://${name}:${port}/`;
}
