import { serviceKey } from "../model/endpoint.ts";
import { DialError, UpgradeError } from "../model/errors.ts";
import type { ListenerRoutes, Route } from "../model/route_table.ts";
import type { Outcome } from "../model/traffic.ts";
import type { ByteStream } from "../system/byte_stream.ts";
import type { AcceptedStream } from "../system/tcp.ts";
import type { Turns } from "../system/turns.ts";
import type { IngressSlot } from "./admission/ingress_slots.ts";
import type { Limits } from "./admission/limits.ts";
import { sourceOf } from "./admission/source_of.ts";
import { refuseOtherHost, urlOf } from "./choose_route.ts";
import { findRoute, type Found } from "./find_route.ts";
import { RequestFramer, switchOf } from "./http/frame_requests.ts";
import { FramedStream } from "./http/framed_stream.ts";
import { httpResponse, sendRefusal } from "./http/refuse.ts";
import type { HostRules } from "./http/refuse_foreign.ts";
import { SwitchDetector } from "./http/switch_detector.ts";
import type { IngressHealth } from "./ingress_health.ts";
import { type ClientStream, type Meter, pipe } from "./pipe.ts";
import type { TrafficCounters } from "./traffic_counters.ts";
import { openPrepared, type Upstream } from "./prelude/open_prepared.ts";
import type { NamelessProtocol } from "./prelude/protocol_of.ts";
import { isRefusal } from "./upgrade.ts";
import type { UpstreamOptions } from "./upstream.ts";

/**
 * Serves one connection from its first byte to its last: find_route → upstream (dial, upgrade) →
 * pipe. The caller closes `local`.
 *
 * @throws Whatever `local` throws before the pipe runs, and the signal's reason.
 */
export async function serveConnection(local: AcceptedStream, options: ConnectionOptions): Promise<Outcome> {
  const { routes, rules, limits, traffic, health, turns, onRouted, evict, signal } = options;
  const found = await findRoute(local, { routes, rules, limits });
  if (found.kind === "not_found") {
    if (found.protocol !== undefined) options.onNameless(found.protocol);
    if (found.refusal !== undefined) await sendRefusal(local, found.refusal, limits);
    return found.outcome;
  }
  onRouted();
  const { choice, head } = found;
  const { route } = choice;
  const [endpointId] = route.endpointIds as [string];
  const name = serviceKey(route);
  async function fail(error: DialError | UpgradeError): Promise<void> {
    traffic.fail(endpointId, error.message);
    if (head !== undefined) {
      await sendRefusal(local, badGateway(route, { error, method: head.method }), limits);
    }
  }
  const slotRequest = { endpoint: name, source: sourceOf(local), evict };
  try {
    using upstream = await openPrepared(choice, { ...options, slotRequest });
    health.recordSuccess(name);
    using meter = traffic.open(
      route.endpointIds.includes(upstream.endpointId) ? upstream.endpointId : endpointId,
    );
    const ends = choice.passthrough
      ? { local, remote: upstream.stream, fromLocal: found.initial }
      : framed(local, upstream, { found, rules, limits, turns });
    await pipe(ends.local, ends.remote, {
      meter: metered(meter, upstream.slot),
      closeTimeoutMs: options.halfCloseMs,
      signal,
      fromLocal: ends.fromLocal,
      fromUpstream: upstream.early,
    });
    return "ok";
  } catch (error) {
    if (!(error instanceof DialError || error instanceof UpgradeError)) throw error;
    health.recordFailure(name, error);
    await fail(error);
    if (error instanceof DialError) return "dial_failed";
    return isRefusal(error) ? "upgrade_refused" : "upgrade_failed";
  }
}

/** Options of {@linkcode serveConnection}. */
export interface ConnectionOptions extends Omit<UpstreamOptions, "slotRequest"> {
  /** The routes of the connection's listener at this moment. */
  readonly routes: ListenerRoutes | undefined;
  readonly rules: HostRules;
  /** The limit of a pause of one direction after the other has ended (docs/reliability.md R29). */
  readonly halfCloseMs: () => number;
  readonly traffic: TrafficCounters;
  readonly health: IngressHealth;
  /** The turns of clients whose requests cost much processor time. */
  readonly turns: Turns;
  /** Called if the client names no endpoint, and its protocol shows. */
  readonly onNameless: (protocol: NamelessProtocol) => void;
  /** Called when the route is known. */
  readonly onRouted: () => void;
  /** Ends this connection, because another one needs its slot or its memory. */
  readonly evict: () => void;
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

interface Ends {
  readonly local: ClientStream;
  readonly remote: ByteStream;
  readonly fromLocal?: Uint8Array;
}

/**
 * Returns both ends of a connection whose requests are checked for their host name, or get another
 * Host (docs/reliability.md R35).
 */
function framed(
  local: AcceptedStream,
  upstream: Upstream,
  options: { found: Found; rules: HostRules; limits: Limits; turns: Turns },
): Ends {
  const { found: { choice, head, initial }, rules, limits, turns } = options;
  const kind = head === undefined ? undefined : switchOf(head);
  const detector = kind === undefined ? undefined : new SwitchDetector(upstream.stream, kind);
  detector?.inspect(upstream.early);
  const framer = new RequestFramer({
    admit: (head) => refuseOtherHost(choice, head, { rules }),
    hostField: choice.hostField,
  });
  return {
    local: new FramedStream(local, {
      framer,
      turn: () => turns.take(local.peer),
      initial,
      switched: detector?.switched ?? Promise.resolve(false),
      headTimeoutMs: limits.headMs,
      lingerMs: limits.lingerMs,
    }),
    remote: detector ?? upstream.stream,
  };
}

function badGateway(route: Route, failed: { error: DialError | UpgradeError; method: string }): Uint8Array {
  const { error, method } = failed;
  return httpResponse({
    status: 502,
    reason: `Endpoint ${urlOf(route)} (${route.endpointIds.join(", ")}): ${error.message}`,
    nextStep: error.hint ?? "See the cause: ngrokctl status",
    method,
  });
}
