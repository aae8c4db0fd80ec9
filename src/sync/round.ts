import { getLogger } from "@logtape/logtape";
import { type Endpoint, type RefusedEndpoint, serviceKey } from "../model/endpoint.ts";
import { limitRefused } from "../model/refused.ts";
import type { Route } from "../model/route_table.ts";
import { allocate, type AllocateOptions } from "./allocate.ts";
import { diff } from "./diff.ts";
import type { RoundEffects, SavedState } from "./effects.ts";
import type { DroppedLease } from "./leases.ts";
import { logFirst } from "./log_first.ts";
import { type Applied, reconcile } from "./reconcile.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Runs one round of the control path, after the poll: allocate → diff → reconcile → persist. */
export async function runRound(input: RoundInput, effects: RoundEffects): Promise<RoundOutcome> {
  const { endpoints = [], saved, settings } = input;
  const plan = allocate(endpoints, { ...settings, leases: saved.leases });
  logDropped(plan.droppedLeases);
  // Saved before anybody can see a new address: after a crash no other name may get it.
  if (hasNew(plan.leases, saved.leases)) {
    // The save at the end of the round fails too, and its error is reported.
    await effects.state.save({ ...saved, leases: plan.leases }).catch(() => {});
  }
  const { ports } = saved;
  const difference = diff(plan.routes, { observed: effects.listeners.observe(), ports });
  const done = await reconcile(difference, effects, { ports, startPort: settings.startPort });
  const toSave = { leases: plan.leases, ports: done.ports, endpoints: input.endpoints };
  const saveError = await effects.state.save(toSave).then(() => undefined, (error: unknown) => error);

  const refusedIds = new Set(plan.refused.map(({ id }) => id));
  const byService = new Map(
    done.routes.filter((route) => !route.extra).map((route) => [serviceKey(route), route]),
  );
  const outcomes = endpoints.filter(({ id }) => !refusedIds.has(id)).map((endpoint): EndpointOutcome => {
    const key = serviceKey(endpoint);
    const route = byService.get(key);
    const reasons = [done.reasons.get(key), plan.notes.get(endpoint.hostname)];
    const reason = reasons.filter((text) => text !== undefined).join("; ");
    return { endpoint, route, reason, state: route === undefined ? "failed" : "active" };
  });
  return {
    endpoints: outcomes,
    refused: [...input.refused, ...limitRefused(plan.refused)],
    saved: toSave,
    saveError,
    applied: saveError === undefined ? done.applied : undefined,
  };
}

/** The endpoints that a round serves. */
export interface KnownEndpoints {
  /** Undefined until a poll, of this run or an earlier one, has given a list. */
  readonly endpoints: readonly Endpoint[] | undefined;
  /** The endpoints that the poll refused. */
  readonly refused: readonly RefusedEndpoint[];
  /** The revision of both; 0 for the list of an earlier run. */
  readonly revision: number;
}

/** The values that a round starts from. */
export interface RoundInput extends KnownEndpoints {
  readonly saved: SavedState;
  readonly settings: RoundSettings;
}

/** The configuration that a round depends on. */
export interface RoundSettings extends Omit<AllocateOptions, "leases"> {
  /** The first port to try when a port is in use. */
  readonly startPort: number;
}

/** One endpoint after a round. */
export interface EndpointOutcome {
  readonly endpoint: Endpoint;
  readonly route: Route | undefined;
  /** The reason why it is not served, or what is unusual about it; `""` if nothing is. */
  readonly reason: string;
  readonly state: "active" | "failed";
}

/** The result of a round. */
export interface RoundOutcome {
  readonly endpoints: readonly EndpointOutcome[];
  /** The endpoints that the poll or the allocation has refused. */
  readonly refused: readonly RefusedEndpoint[];
  readonly saved: SavedState;
  /** The error because of which the state was not saved. Everything else was done all the same. */
  readonly saveError: unknown;
  /** Undefined if something is left for the next round to retry. */
  readonly applied: Applied | undefined;
}

function logDropped(dropped: readonly DroppedLease[]): void {
  logFirst(dropped, {
    one: ({ hostname, address, reason }) =>
      log.warn("Dropped the saved address of {hostname}: {error}", { hostname, address, error: reason }),
    rest: (count) => log.warn("Dropped {count} more saved addresses", { count }),
  });
}

function hasNew(leases: ReadonlyMap<string, string>, saved: ReadonlyMap<string, string>): boolean {
  return [...leases].some(([hostname, address]) => saved.get(hostname) !== address);
}
