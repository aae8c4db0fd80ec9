import type { Endpoint, RefusedEndpoint } from "../model/endpoint.ts";
import { serviceKey } from "../model/endpoint.ts";
import { listenerKey, type Route } from "../model/route_table.ts";
import { allocate, type AllocateOptions } from "./allocate.ts";
import { diff } from "./diff.ts";
import type { RoundEffects, SavedState } from "./effects.ts";
import { reconcile } from "./reconcile.ts";

/** What a round starts from. */
export interface RoundInput {
  /** Undefined if no list was ever given: then none is remembered either. */
  readonly endpoints: readonly Endpoint[] | undefined;
  readonly refused: readonly RefusedEndpoint[];
  readonly saved: SavedState;
  readonly settings: Omit<AllocateOptions, "leases"> & { readonly startPort: number };
}

/** Where one endpoint stands after a round. */
export interface EndpointOutcome {
  readonly endpoint: Endpoint;
  readonly route: Route | undefined;
  /** Why it is not served, or what is unusual about it; `""` if nothing is. */
  readonly reason: string;
  readonly state: "active" | "failed";
}

/** Every endpoint's outcome, and what to remember. */
export interface RoundOutcome {
  readonly endpoints: readonly EndpointOutcome[];
  readonly refused: readonly RefusedEndpoint[];
  readonly saved: SavedState;
  /** Why the state could not be saved; everything else was done all the same. */
  readonly saveError?: unknown;
}

/** One round of the control path, after the poll: allocate → diff → reconcile → persist. */
export async function runRound(input: RoundInput, effects: RoundEffects): Promise<RoundOutcome> {
  const { endpoints = [], saved, settings } = input;
  const plan = allocate(endpoints, { ...settings, leases: saved.leases });
  const changes = diff(plan.routes, { observed: effects.listeners.observe(), ports: saved.ports });
  const done = await reconcile(changes, effects, { ports: saved.ports, startPort: settings.startPort });
  const remembered: SavedState = {
    leases: plan.leases,
    ports: mergePorts(saved, done.ports, plan.routes),
    endpoints: input.endpoints,
  };
  const saveError = await effects.state.save(remembered).then(() => undefined, (error: unknown) => error);

  const refusedIds = new Set(plan.refused.map((endpoint) => endpoint.id));
  const byService = new Map(done.routes.map((route) => [serviceKey(route), route]));
  const outcomes = endpoints.filter((endpoint) => !refusedIds.has(endpoint.id)).map(
    (endpoint): EndpointOutcome => {
      const key = serviceKey(endpoint);
      const route = byService.get(key);
      const reason = done.failures.get(key) ?? done.notes.get(key) ?? "";
      return { endpoint, route, reason, state: route === undefined ? "failed" : "active" };
    },
  );
  return { endpoints: outcomes, refused: [...input.refused, ...plan.refused], saved: remembered, saveError };
}

/** Ports of endpoints that are away are kept for their return; one that got its own port back needs none. */
function mergePorts(
  saved: SavedState,
  now: ReadonlyMap<string, number>,
  routes: readonly Route[],
): ReadonlyMap<string, number> {
  const present = new Set(routes.map(serviceKey));
  const away = [...saved.ports].filter(([key]) => !present.has(key));
  return new Map([...away, ...now]);
}

/** `address:port` of where an endpoint is reached. */
export function listenAddress(route: Route): string {
  return listenerKey(route.address, route.localPort);
}
