import type { Attempts } from "../lib/attempts.ts";
import { DialError } from "../model/errors.ts";
import { type ByteStream, closeQuietly } from "../system/byte_stream.ts";
import { limitTime } from "../system/clock.ts";
import type { DialGate } from "./admission/dial_gate.ts";
import type { IngressSlot, IngressSlots, SlotRequest } from "./admission/ingress_slots.ts";
import type { Limits } from "./admission/limits.ts";
import { ingressHost, type RouteChoice } from "./choose_route.ts";
import { dialIngress, type IngressAccess } from "./dial.ts";
import { upgrade, type Upgraded } from "./upgrade.ts";

/**
 * Connects to an endpoint: dial → upgrade. An attempt that a change of network cancels is repeated,
 * since no byte of the client is sent before the ingress has answered the upgrade.
 *
 * @throws {DialError} If the dial fails.
 * @throws {UpgradeError} If the ingress does not upgrade the connection.
 * @throws The signal's reason, if it aborts first.
 */
export async function connectUpstream(choice: RouteChoice, options: ConnectOptions): Promise<Connected> {
  const { attempts, limits: { ingressMs }, signal, endMs } = options;
  while (true) {
    using attempt = attempts.begin(signal);
    try {
      return await dialAndUpgrade(choice, { ...options, signal: attempt.signal });
    } catch (error) {
      if (!attempt.isCancelled || signal.aborted) throw error;
      if (endMs - performance.now() < ingressMs / 2) throw cancelledError(error);
    }
  }
}

/** A connection to an endpoint. The caller closes the stream. */
export interface Connected extends Upgraded {
  readonly stream: ByteStream;
}

/** The connection to the ingress that serves one client. Disposing closes it and frees its slot. */
export interface Upstream extends Connected, Disposable {
  readonly slot: IngressSlot;
}

/** Options of {@linkcode connectUpstream}. */
export interface ConnectOptions extends UpstreamOptions {
  /** The deadline, as `performance.now()` counts. */
  readonly endMs: number;
}

/** The parts that the upstream of a connection is made with. */
export interface UpstreamOptions {
  readonly access: IngressAccess;
  readonly gate: DialGate;
  /** The dials and upgrades that are under way. */
  readonly attempts: Attempts;
  readonly limits: Limits;
  /** The limit of connections to the ingress. */
  readonly ingressSlots: IngressSlots;
  readonly slotRequest: SlotRequest;
  readonly signal: AbortSignal;
}

/**
 * Waits for a slot of the limit of connections to the ingress.
 *
 * @throws {DialError} If there is none in time.
 * @throws The signal's reason, if it aborts first.
 */
export async function takeSlot(options: UpstreamOptions): Promise<IngressSlot> {
  const { ingressSlots, slotRequest, limits, signal } = options;
  using limit = limitTime(limits.ingressMs, { signal });
  try {
    return await ingressSlots.take(slotRequest, limit.signal);
  } catch (error) {
    throw limit.isOver ? ingressSlots.fullError() : error;
  }
}

async function dialAndUpgrade(
  choice: RouteChoice,
  options: ConnectOptions,
): Promise<Connected> {
  const { access, gate, slotRequest, signal, endMs } = options;
  const leftMs = (): number => Math.max(1, endMs - performance.now());
  const holder = slotRequest.source ?? slotRequest.endpoint;
  const request = { host: ingressHost(choice), port: choice.route.port };
  const stream = await dialIngress(access, { timeoutMs: leftMs(), signal, gate, holder });
  try {
    const upgraded = await upgrade(stream, request, { timeoutMs: leftMs(), signal });
    return { ...upgraded, stream };
  } catch (error) {
    closeQuietly(stream);
    throw error;
  }
}

/** Returns the error of an attempt that was cancelled with too little time left for another one. */
function cancelledError(cause: unknown): DialError {
  return new DialError("Cannot connect to the ingress: this machine slept or its network changed", {
    code: "reset",
    hint: "Connect again",
    cause,
  });
}
