import { getLogger } from "@logtape/logtape";
import type { Endpoint, RefusedEndpoint } from "../model/endpoint.ts";
import { serviceKey } from "../model/endpoint.ts";
import { listenerKey, type Route } from "../model/route_table.ts";
import { allocate, type AllocateOptions } from "./allocate.ts";
import { diff } from "./diff.ts";
import type { RoundEffects, SavedState } from "./effects.ts";
import { reconcile } from "./reconcile.ts";

const log = getLogger(["ngrokd", "sync"]);

/** So many addresses that are given up are told one by one; a new subnet costs all of them. */
const MAX_TOLD = 20;

/** What a round starts from. */
export interface RoundInput {
  /** Undefined if no list was ever given: then none is remembered either. */
  readonly endpoints: readonly Endpoint[] | undefined;
  readonly refused: readonly RefusedEndpoint[];
  readonly saved: SavedState;
  readonly settings: RoundSettings;
}

/** The configuration that a round depends on. */
export interface RoundSettings extends Omit<AllocateOptions, "leases"> {
  readonly startPort: number;
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
  /** Undefined if something is left for the next round to retry. */
  readonly applied?: Applied;
}

/** Everything that a round has set up on this machine. */
export interface Applied {
  /** `address:port` of every open listener. */
  readonly listeners: readonly string[];
  readonly addresses: readonly string[];
  readonly names: ReadonlyMap<string, string>;
  /** Why single names do not resolve, or what is unusual about them. */
  readonly nameReasons: ReadonlyMap<string, string>;
  /** Where listeners would be that had to take another port: each `address` and its own `port`. */
  readonly displaced: readonly { readonly address: string; readonly port: number }[];
}

/** One round of the control path, after the poll: allocate → diff → reconcile → persist. */
export async function runRound(input: RoundInput, effects: RoundEffects): Promise<RoundOutcome> {
  const { endpoints = [], saved, settings } = input;
  const plan = allocate(endpoints, { ...settings, leases: saved.leases });
  tellDropped(plan.droppedLeases);
  // Before anybody can see a new address: a crash in the middle of the round must not give it to another name.
  if (hasNew(plan.leases, saved.leases)) {
    // What fails here fails below too, and is told there.
    await effects.state.save({ ...saved, leases: plan.leases }).catch(() => {});
  }
  const changes = diff(plan.routes, { observed: effects.listeners.observe(), ports: saved.ports });
  const done = await reconcile(changes, effects, { ports: saved.ports, startPort: settings.startPort });
  const remembered: SavedState = {
    leases: plan.leases,
    ports: mergePorts(saved, done.ports, plan.routes),
    endpoints: input.endpoints,
  };
  const saveError = await effects.state.save(remembered).then(() => undefined, (error: unknown) => error);

  const refusedIds = new Set(plan.refused.map((endpoint) => endpoint.id));
  const byService = new Map(
    done.routes.filter((route) => !route.own).map((route) => [serviceKey(route), route]),
  );
  const outcomes = endpoints.filter((endpoint) => !refusedIds.has(endpoint.id)).map(
    (endpoint): EndpointOutcome => {
      const key = serviceKey(endpoint);
      const route = byService.get(key);
      const reason = done.failures.get(key) ?? done.notes.get(key) ?? "";
      return { endpoint, route, reason, state: route === undefined ? "failed" : "active" };
    },
  );
  const outcome = { endpoints: outcomes, refused: [...input.refused, ...plan.refused], saved: remembered };
  if (saveError !== undefined) return { ...outcome, saveError };
  if (done.failures.size > 0) return outcome;
  const { addresses, names, nameReasons } = done;
  // The publisher's own map may change.
  const applied = {
    addresses,
    names,
    displaced: done.displaced,
    nameReasons: new Map(nameReasons),
    listeners: effects.listeners.observe(),
  };
  return { ...outcome, applied };
}

/** Once: what is saved after this does not have them. */
function tellDropped(dropped: readonly string[]): void {
  for (const problem of dropped.slice(0, MAX_TOLD)) log.warn("Saved address: {problem}", { problem });
  const rest = dropped.length - MAX_TOLD;
  if (rest > 0) log.warn("Saved address: {count} more cannot be kept", { count: rest });
}

function hasNew(leases: ReadonlyMap<string, string>, saved: ReadonlyMap<string, string>): boolean {
  return [...leases].some(([hostname, address]) => saved.get(hostname) !== address);
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
