import { compare } from "../lib/compare.ts";
import { type Endpoint, type RefusedEndpoint, type Scheme, serviceKey, spellingOf } from "./endpoint.ts";

/** A host name and a port, with the endpoints behind them. Its key is {@linkcode serviceKey}. */
export interface Service {
  readonly hostname: string;
  /** The host name as the API spells it, if that differs. Of a pool: of its oldest member. */
  readonly spelling?: string;
  readonly port: number;
  readonly scheme: Scheme;
  readonly wildcard: boolean;
  /** Sorted, never empty. Ids sort in the order of their creation (docs/protocol.md 1.1). */
  readonly endpointIds: readonly string[];
}

/** The result of {@linkcode groupServices}. */
export interface Grouping {
  readonly services: readonly Service[];
  /** The endpoints that conflict with an older one. */
  readonly refused: readonly RefusedEndpoint[];
}

/**
 * Groups endpoints into services, sorted by key. The members of a pool share a scheme. Where
 * schemes differ the oldest endpoint decides, and the others are refused with a reason.
 */
export function groupServices(endpoints: readonly Endpoint[]): Grouping {
  const refused: RefusedEndpoint[] = [];
  const groups = [...Map.groupBy(endpoints.toSorted((a, b) => compare(a.id, b.id)), serviceKey)];
  groups.sort(([a], [b]) => compare(a, b));
  const services = groups.map(([, group]): Service => {
    const oldest = group[0]!;
    const { hostname, port, scheme, wildcard } = oldest;
    const reason = `${oldest.url} (${oldest.id}) is older and has the same name and port`;
    const endpointIds: string[] = [];
    for (const { id, url, scheme: own } of group) {
      if (own === scheme) endpointIds.push(id);
      else refused.push({ id, url, reason });
    }
    const spelling = spellingOf(oldest);
    const service = { hostname, port, scheme, wildcard, endpointIds };
    return spelling === hostname ? service : { ...service, spelling };
  });
  return { services, refused };
}
