import { getLogger } from "@logtape/logtape";
import { type Endpoint, serviceKey } from "../model/endpoint.ts";
import { limitRefused, type Refusals } from "../model/refused.ts";
import type { Route } from "../model/route_table.ts";
import { allocate, type AllocateOptions, type Plan } from "./allocate.ts";
import { diff } from "./diff.ts";
import type { RoundEffects, SavedState } from "./effects.ts";
import { LeaseExchange } from "./exchange_leases.ts";
import type { DroppedLease, Leases } from "./leases.ts";
import { logFirst } from "./log_first.ts";
import { type OpenListeners, openListeners } from "./open_listeners.ts";
import { sharedAddresses } from "./shared_addresses.ts";
import { missingIps } from "./spread_candidates.ts";
import { type Applied, reconcile, type ReconcileOptions } from "./reconcile.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Somebody may take a port of the new address at once. */
const MAX_EXCHANGES = 3;

/** Runs one round of the control path, after the poll: allocate → diff → reconcile → persist. */
export async function runRound(input: RoundInput, effects: RoundEffects): Promise<RoundOutcome> {
  const { endpoints = [], saved, settings } = input;
  const { ports } = saved;
  const exchange = new LeaseExchange({ ...settings, listeners: effects.listeners });
  let { plan, opened } = await open(input, effects, saved.leases);
  logDropped(plan.droppedLeases);
  for (let attempt = 0; attempt < MAX_EXCHANGES; attempt++) {
    const leases = await exchange.exchange(opened.bindings, plan.leases);
    if (leases === undefined) break;
    ({ plan, opened } = await open(input, effects, leases));
  }
  const done = await reconcile(opened, effects, { ...settings, ports, unserved: plan.unserved });
  const toSave = {
    leases: plan.leases,
    ports: done.ports,
    ...(plan.spread.addresses.length === 0 ? {} : { spread: plan.spread }),
    endpoints: input.endpoints,
  };
  const saveError = await effects.state.save(toSave).then(() => undefined, (error: unknown) => error);

  const refusedIds = new Set(plan.refused.map(({ id }) => id));
  const byService = new Map(
    done.routes.filter((route) => !route.extra).map((route) => [serviceKey(route), route]),
  );
  const shared = sharedAddresses(done.routes, {
    advertiseIp: settings.advertiseIp,
    isRegistrySuffix: (domain) => settings.names.isRegistrySuffix(domain),
  });
  const missing = missingIps(settings);
  const outcomes = endpoints.filter(({ id }) => !refusedIds.has(id)).map((endpoint): EndpointOutcome => {
    const key = serviceKey(endpoint);
    const route = byService.get(key);
    const isWithheld = done.withheld.has(endpoint.hostname);
    const sharing = isWithheld ? undefined : shared.get(key);
    const reasons = [
      done.reasons.get(key),
      plan.notes.get(endpoint.hostname),
      missingReason(route?.advertisedIp, missing),
      sharing,
    ];
    return {
      endpoint,
      route,
      reason: reasons.filter((text) => text !== undefined).join("; "),
      ...(sharing === undefined ? {} : { isShared: true }),
      state: route === undefined ? "failed" : isWithheld ? "degraded" : "active",
    };
  });
  const { refused, refusedMore } = limitRefused(plan.refused);
  return {
    endpoints: outcomes,
    refused: [...input.refused, ...refused],
    refusedMore: (input.refusedMore ?? 0) + refusedMore,
    saved: toSave,
    saveError,
    applied: saveError === undefined && !exchange.isExhausted ? done.applied : undefined,
  };
}

/** Plans with these leases, and opens the listeners. */
async function open(
  { endpoints = [], saved, settings }: RoundInput,
  effects: RoundEffects,
  leases: Leases,
): Promise<{ plan: Plan; opened: OpenListeners }> {
  const { ports } = saved;
  const plan = allocate(endpoints, { ...settings, leases, ports, spread: saved.spread });
  // Saved before anybody can see a new address: after a crash no other name may get it.
  if (hasNew(plan.leases, saved.leases)) {
    // The save at the end of the round fails too, and its error is reported.
    await effects.state.save({ ...saved, leases: plan.leases }).catch(() => {});
  }
  const difference = diff(plan.routes, { observed: effects.listeners.observe(), ports });
  const opened = await openListeners(difference, effects, {
    ports,
    startPort: settings.startPort,
  });
  return { plan, opened };
}

/** The endpoints that a round serves, and those that the poll refused. */
export interface KnownEndpoints extends Refusals {
  /** Undefined until a poll, of this run or an earlier one, has given a list. */
  readonly endpoints: readonly Endpoint[] | undefined;
  /** The revision of all of them; 0 for the list of an earlier run. */
  readonly revision: number;
}

/** The values that a round starts from. */
export interface RoundInput extends KnownEndpoints {
  readonly saved: SavedState;
  readonly settings: RoundSettings;
}

/** The configuration that a round depends on. */
export interface RoundSettings
  extends
    Omit<AllocateOptions, "leases" | "ports" | "spread">,
    Pick<ReconcileOptions, "publishMovedPorts" | "redirectHeldPorts" | "machineIp" | "os"> {
  /** The first port to try when a port is in use. */
  readonly startPort: number;
  /** `net.advertise_ip`; `""` if there is none. */
  readonly advertiseIp: string;
}

/** One endpoint after a round. */
export interface EndpointOutcome {
  readonly endpoint: Endpoint;
  readonly route: Route | undefined;
  /** The reason why it is not served, or what is unusual about it; `""` if nothing is. */
  readonly reason: string;
  /**
   * True if a browser could send its requests to another endpoint.
   *
   * @default {false}
   */
  readonly isShared?: boolean;
  /** `degraded`: it is served, but its name does not resolve. */
  readonly state: "active" | "degraded" | "failed";
}

/** The result of a round, with the endpoints that the poll or the allocation has refused. */
export interface RoundOutcome extends Required<Refusals> {
  readonly endpoints: readonly EndpointOutcome[];
  readonly saved: SavedState;
  /** The error because of which the state was not saved. Everything else was done all the same. */
  readonly saveError: unknown;
  /** Undefined if something is left for the next round to retry. */
  readonly applied: Applied | undefined;
}

function missingReason(advertisedIp: string | undefined, missing: ReadonlySet<string>): string | undefined {
  if (advertisedIp === undefined || !missing.has(advertisedIp)) return undefined;
  return `its address ${advertisedIp} in net.advertise_ips is not an address of this machine now`;
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
