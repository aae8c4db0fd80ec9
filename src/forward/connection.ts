import type { Attempts } from "../lib/attempts.ts";
import { DialError, UpgradeError } from "../model/errors.ts";
import type { ListenerRoutes } from "../model/route_table.ts";
import type { Outcome } from "../model/traffic.ts";
import { closeQuietly } from "../system/byte_stream.ts";
import { limitTime } from "../system/clock.ts";
import type { AcceptedStream, ByteStream } from "../system/net.ts";
import { refuseOtherHost, urlOf } from "./choose_route.ts";
import type { ConnectionSlots, Slot } from "./admission/connection_slots.ts";
import { dialIngress, type IngressAccess } from "./dial.ts";
import type { DialGate } from "./admission/dial_gate.ts";
import { findRoute, type Found } from "./find_route.ts";
import { RequestFramer, switchOf } from "./http/frame_requests.ts";
import { FramedStream } from "./http/framed_stream.ts";
import { isRefusal } from "./ingress_health.ts";
import type { Limits } from "./admission/limits.ts";
import { pipe } from "./pipe.ts";
import { httpAnswer, refuse } from "./http/refuse.ts";
import type { SourceShares } from "./admission/source_shares.ts";
import { SwitchWatch } from "./http/switch_watch.ts";
import type { TrafficBook } from "./traffic_book.ts";
import { upgrade, type Upgraded } from "./upgrade.ts";

/** What one connection needs, and who hears of it. */
export interface ConnectionOptions {
  /** Those of its listener, at this moment. */
  readonly routes: ListenerRoutes | undefined;
  readonly access: IngressAccess;
  readonly gate: DialGate;
  /** Dials and upgrades that are under way. */
  readonly attempts: Attempts;
  readonly limits: Limits;
  /** The cap on connections to the ingress. */
  readonly ingressSlots: ConnectionSlots;
  /** How many of them one client may hold. */
  readonly shares: SourceShares;
  readonly traffic: TrafficBook;
  /** Called once the connection has said where it goes. */
  readonly onRouted: () => void;
  /** Called once the cloud is reached for `name` (`host:port` of the route), or has not been. */
  readonly onReached: (name: string, error?: DialError | UpgradeError) => void;
  readonly signal: AbortSignal;
}

/**
 * Serves one connection from its first byte to its last: route → dial → upgrade → pipe. Closing `local` stays with its owner.
 *
 * @throws Whatever `local` throws before the pipe stands, and the signal's reason.
 */
export async function serveConnection(local: AcceptedStream, options: ConnectionOptions): Promise<Outcome> {
  const { routes, limits, shares, traffic, onRouted, onReached } = options;
  const found = await findRoute(local, { routes, limits });
  if (found.kind === "not_found") {
    if (found.answer !== undefined) await refuse(local, found.answer, limits);
    return found.outcome;
  }
  onRouted();
  const { route } = found.chosen;
  const name = `${route.hostname}:${route.port}`;
  // At once: those that wait hold places of others, too. It says nothing about the ingress.
  using share = shares.take(local);
  if (share === undefined) {
    const error = overShare(local, shares);
    traffic.fail(route.endpointIds[0]!, error.message);
    if (found.head !== undefined) await refuse(local, badGateway(found, error), limits);
    return "dial_failed";
  }
  try {
    using cloud = await reachCloud(found, options);
    onReached(name);
    const { stream, endpointId, early } = cloud;
    using meter = traffic.open(route.endpointIds.includes(endpointId) ? endpointId : route.endpointIds[0]!);
    const ends = found.chosen.whole
      ? { local, cloud: stream, fromLocal: found.initial }
      : framed(local, cloud, { found, limits });
    await pipe(ends.local, ends.cloud, {
      meter,
      closeTimeoutMs: limits.closeMs,
      fromCloud: early,
      ...(ends.fromLocal === undefined ? {} : { fromLocal: ends.fromLocal }),
    });
    return "ok";
  } catch (error) {
    if (!(error instanceof DialError || error instanceof UpgradeError)) throw error;
    traffic.fail(route.endpointIds[0]!, error.message);
    onReached(name, error);
    if (found.head !== undefined) await refuse(local, badGateway(found, error), limits);
    if (error instanceof DialError) return "dial_failed";
    return isRefusal(error) ? "upgrade_refused" : "upgrade_failed";
  }
}

function overShare({ peer }: AcceptedStream, { max }: SourceShares): DialError {
  return new DialError(
    `Cannot connect to the ingress: ${peer} holds ${max} connections, as many as one client may`,
    {
      code: "other",
      hint: "Close some of them; all clients behind one address share this number",
    },
  );
}

type CloudStream = Upgraded & Disposable & { readonly stream: ByteStream };

/** One deadline for all of it. What is broken off is made anew: nothing of the client has been sent before the upgrade is answered. */
async function reachCloud(found: Found, options: ConnectionOptions): Promise<CloudStream> {
  const { attempts, limits: { ingressMs }, signal } = options;
  const end = performance.now() + ingressMs;
  using stack = new DisposableStack();
  stack.use(await ingressSlot(options));
  while (true) {
    using attempt = attempts.begin(signal);
    try {
      const cloud = await dialAndUpgrade(found, { ...options, end, signal: attempt.signal });
      stack.defer(() => closeQuietly(cloud.stream));
      const owned = stack.move();
      return { ...cloud, [Symbol.dispose]: () => owned.dispose() };
    } catch (error) {
      if (!attempt.isBrokenOff || signal.aborted) throw error;
      if (end - performance.now() < ingressMs / 2) throw brokenOff(error);
    }
  }
}

async function dialAndUpgrade(
  found: Found,
  options: ConnectionOptions & { end: number },
): Promise<Upgraded & { readonly stream: ByteStream }> {
  const { access, gate, signal, end } = options;
  const { route, host } = found.chosen;
  const leftMs = (): number => Math.max(1, end - performance.now());
  const stream = await dialIngress(access, { timeoutMs: leftMs(), signal, gate });
  try {
    const upgraded = await upgrade(stream, { host, port: route.port }, { timeoutMs: leftMs(), signal });
    return { ...upgraded, stream };
  } catch (error) {
    closeQuietly(stream);
    throw error;
  }
}

/** There is too little time left for another attempt. */
function brokenOff(cause: unknown): DialError {
  return new DialError(
    "Cannot connect to the ingress: this machine slept, or its network changed, while it was dialled",
    { code: "reset", hint: "Connect again; each new connection tries at once", cause },
  );
}

async function ingressSlot(options: ConnectionOptions): Promise<Slot> {
  const { ingressSlots, limits, signal } = options;
  using limit = limitTime(limits.ingressMs, { signal });
  try {
    return await ingressSlots.take(limit.signal);
  } catch (error) {
    if (!limit.isOver) throw error;
    throw new DialError(`Cannot connect to the ingress: all ${ingressSlots.max} connections are in use`, {
      code: "other",
    });
  }
}

interface Ends {
  readonly local: ByteStream;
  readonly cloud: ByteStream;
  readonly fromLocal?: Uint8Array;
}

/** Both ends of a connection whose requests must be held against the name that it was opened for, or be given it (RELIABILITY.md R35). */
function framed(local: ByteStream, cloud: CloudStream, options: { found: Found; limits: Limits }): Ends {
  const { found: { chosen, head, initial }, limits } = options;
  const kind = head === undefined ? undefined : switchOf(head);
  const watch = kind === undefined ? undefined : new SwitchWatch(cloud.stream, kind);
  watch?.look(cloud.early);
  const framer = new RequestFramer({
    admit: (head) => refuseOtherHost(chosen, head),
    hostField: chosen.hostField,
  });
  const switched = watch?.switched ?? Promise.resolve(false);
  return {
    local: new FramedStream(local, {
      framer,
      initial,
      switched,
      headTimeoutMs: limits.headMs,
      lingerMs: limits.lingerMs,
    }),
    cloud: watch ?? cloud.stream,
  };
}

function badGateway(found: Found, error: DialError | UpgradeError): Uint8Array {
  const { route } = found.chosen;
  return httpAnswer({
    status: 502,
    reason: `Endpoint ${urlOf(route)} (${route.endpointIds.join(", ")}): ${error.message}`,
    nextStep: error.hint ?? "See what is wrong: ngrokctl status",
    method: found.head?.method,
  });
}
