import { serviceKey } from "../model/endpoint.ts";
import { DialError, UpgradeError } from "../model/errors.ts";
import type { Outcome } from "../model/traffic.ts";
import type { IngressSlot } from "./admission/ingress_slots.ts";
import { type RouteChoice, urlOf } from "./choose_route.ts";
import type { HttpRefusal } from "./http/refuse.ts";
import type { IngressHealth } from "./ingress_health.ts";
import type { Meter } from "./pipe.ts";
import { openPrepared } from "./prelude/open_prepared.ts";
import type { TrafficCounters } from "./traffic_counters.ts";
import { isRefusal } from "./upgrade.ts";
import type { Upstream, UpstreamOptions } from "./upstream.ts";

/** An upstream whose bytes count for its endpoint and its slot. */
export interface CountedUpstream extends Upstream {
  readonly meter: Meter;
}

/**
 * Opens an upstream and records the result for its endpoint.
 *
 * @throws As {@linkcode openPrepared}.
 */
export async function openCounted(choice: RouteChoice, options: OpenOptions): Promise<CountedUpstream> {
  const { source, evict, health, traffic } = options;
  const { route } = choice;
  const name = serviceKey(route);
  const [endpointId] = route.endpointIds as [string];
  let upstream: Upstream;
  try {
    upstream = await openPrepared(choice, { ...options, slotRequest: { endpoint: name, source, evict } });
  } catch (error) {
    if (isIngressFailure(error)) {
      health.recordFailure(name, error);
      traffic.fail(endpointId, error.message);
    }
    throw error;
  }
  health.recordSuccess(name);
  const meter = traffic.open(
    route.endpointIds.includes(upstream.endpointId) ? upstream.endpointId : endpointId,
  );
  return {
    ...upstream,
    meter: metered(meter, upstream.slot),
    [Symbol.dispose]() {
      meter[Symbol.dispose]();
      upstream[Symbol.dispose]();
    },
  };
}

/** Options of {@linkcode openCounted}. */
export interface OpenOptions extends Omit<UpstreamOptions, "slotRequest"> {
  /** The network of the client. */
  readonly source: string | undefined;
  /** Ends the upstream, because another one needs its slot or its memory. */
  readonly evict: () => void;
  readonly traffic: TrafficCounters;
  readonly health: IngressHealth;
}

/** Returns true if no upstream could be opened, for a reason that the client is told. */
export function isIngressFailure(error: unknown): error is DialError | UpgradeError {
  return error instanceof DialError || error instanceof UpgradeError;
}

/** Returns the outcome of a connection that got no upstream. */
export function outcomeOf(error: DialError | UpgradeError): Outcome {
  if (error instanceof DialError) return "dial_failed";
  return isRefusal(error) ? "upgrade_refused" : "upgrade_failed";
}

/** Returns what an HTTP client is told that got no upstream. */
export function badGateway(
  { route }: RouteChoice,
  failed: { error: DialError | UpgradeError; method: string },
): HttpRefusal {
  const { error, method } = failed;
  return {
    status: 502,
    reason: `Endpoint ${urlOf(route)} (${route.endpointIds.join(", ")}): ${error.message}`,
    nextStep: error.hint ?? "See the cause: ngrokctl status",
    method,
  };
}

/** Tells the slot of a connection, too, what moves. */
function metered(meter: Meter, slot: IngressSlot): Meter {
  return {
    countIn(bytes) {
      meter.countIn(bytes);
      slot.moved("in", bytes);
    },
    countOut(bytes) {
      meter.countOut(bytes);
      slot.moved("out", bytes);
    },
    beginIn: (bytes) => slot.writes("in", bytes),
    beginOut: (bytes) => slot.writes("out", bytes),
  };
}
