import { serviceKey } from "../model/endpoint.ts";
import { DialError, UpgradeError } from "../model/errors.ts";
import type { ListenerRoutes, Route } from "../model/route_table.ts";
import type { Outcome } from "../model/traffic.ts";
import type { ByteStream } from "../system/byte_stream.ts";
import type { AcceptedStream } from "../system/tcp.ts";
import type { ClientSlots } from "./admission/client_slots.ts";
import type { Limits } from "./admission/limits.ts";
import { refuseOtherHost, urlOf } from "./choose_route.ts";
import { findRoute, type Found } from "./find_route.ts";
import { RequestFramer, switchOf } from "./http/frame_requests.ts";
import { FramedStream } from "./http/framed_stream.ts";
import { httpResponse, sendRefusal } from "./http/refuse.ts";
import type { HostRules } from "./http/refuse_foreign.ts";
import { SwitchDetector } from "./http/switch_detector.ts";
import type { IngressHealth } from "./ingress_health.ts";
import { pipe } from "./pipe.ts";
import type { TrafficCounters } from "./traffic_counters.ts";
import { isRefusal } from "./upgrade.ts";
import { openUpstream, type Upstream, type UpstreamOptions } from "./upstream.ts";

/**
 * Serves one connection from its first byte to its last: find_route → upstream (dial, upgrade) →
 * pipe. The caller closes `local`.
 *
 * @throws Whatever `local` throws before the pipe runs, and the signal's reason.
 */
export async function serveConnection(local: AcceptedStream, options: ConnectionOptions): Promise<Outcome> {
  const { routes, rules, limits, clientSlots, traffic, health, onRouted } = options;
  const found = await findRoute(local, { routes, rules, limits });
  if (found.kind === "not_found") {
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
  // Refused without a wait, because waiting connections hold slots too. This says nothing about the
  // ingress.
  using slot = clientSlots.take(local);
  if (slot === undefined) {
    await fail(overLimit(local, clientSlots));
    return "dial_failed";
  }
  try {
    using upstream = await openUpstream(choice, options);
    health.recordSuccess(name);
    using meter = traffic.open(
      route.endpointIds.includes(upstream.endpointId) ? upstream.endpointId : endpointId,
    );
    const ends = choice.passthrough
      ? { local, remote: upstream.stream, fromLocal: found.initial }
      : framed(local, upstream, { found, rules, limits });
    await pipe(ends.local, ends.remote, {
      meter,
      closeTimeoutMs: options.halfCloseMs(),
      signal: options.signal,
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
export interface ConnectionOptions extends UpstreamOptions {
  /** The routes of the connection's listener at this moment. */
  readonly routes: ListenerRoutes | undefined;
  readonly rules: HostRules;
  /** The limit of a pause of one direction after the other has ended (docs/reliability.md R29). */
  readonly halfCloseMs: () => number;
  readonly clientSlots: ClientSlots;
  readonly traffic: TrafficCounters;
  readonly health: IngressHealth;
  /** Called when the route is known. */
  readonly onRouted: () => void;
}

function overLimit({ peer }: AcceptedStream, { max }: ClientSlots): DialError {
  return new DialError(
    `Client ${peer} reached its limit of ${max} connections`,
    { code: "other", hint: "Close some connections; all clients behind one address share this limit" },
  );
}

interface Ends {
  readonly local: ByteStream;
  readonly remote: ByteStream;
  readonly fromLocal?: Uint8Array;
}

/**
 * Returns both ends of a connection whose requests are checked for their host name, or get another
 * Host (docs/reliability.md R35).
 */
function framed(
  local: ByteStream,
  upstream: Upstream,
  options: { found: Found; rules: HostRules; limits: Limits },
): Ends {
  const { found: { choice, head, initial }, rules, limits } = options;
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
