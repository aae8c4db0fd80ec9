import { type Endpoint, type RefusedEndpoint, type Scheme, serviceKey } from "./endpoint.ts";

/** One (host, port) of the cloud and the endpoints behind it: a pool, or a single one. */
export interface Service {
  /** `host:port` */
  readonly key: string;
  readonly hostname: string;
  readonly port: number;
  readonly scheme: Scheme;
  readonly wildcard: boolean;
  /** Sorted by id (string order of ids is the order of creation, PROTOCOL.md 1.1); never empty. */
  readonly endpointIds: readonly string[];
}

/** Services, and the endpoints that stand in the way of an older one. */
export interface Grouping {
  readonly services: readonly Service[];
  readonly refused: readonly RefusedEndpoint[];
}

/**
 * Groups endpoints by (host, port), sorted by key. Members of a pool share a scheme; where schemes differ the oldest endpoint decides, and
 * the others are refused with a reason.
 */
export function groupServices(endpoints: readonly Endpoint[]): Grouping {
  const sorted = [...endpoints].sort((a, b) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  const services: Service[] = [];
  const refused: RefusedEndpoint[] = [];
  for (const [key, group] of Map.groupBy(sorted, serviceKey)) {
    const first = group[0]!;
    const { hostname, port, scheme, wildcard } = first;
    const endpointIds: string[] = [];
    for (const { id, url, scheme: own } of group) {
      if (own === scheme) endpointIds.push(id);
      else {refused.push({
          id,
          url,
          reason: `${first.url} (${first.id}) is older and has the same name and port`,
        });}
    }
    services.push({ key, hostname, port, scheme, wildcard, endpointIds });
  }
  services.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  return { services, refused };
}
