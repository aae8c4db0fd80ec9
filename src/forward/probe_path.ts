import type { Route } from "../model/route_table.ts";
import { type ByteStream, closeQuietly } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import type { DialGate } from "./admission/dial_gate.ts";
import { probeHost } from "./choose_probe.ts";
import { dialIngress, type IngressAccess } from "./dial.ts";
import { upgrade } from "./upgrade.ts";

/** The time and the bytes in which the endpoint may end its direction after ours. */
const CLOSE_MS = 1_000;
const CLOSE_BYTES = 65_536;

/**
 * Goes the way of a connection to the ingress (resolve → connect → TLS → upgrade), and ends the
 * connection at once. It takes no slot and counts as no traffic.
 *
 * @throws {DialError} If the dial fails.
 * @throws {UpgradeError} If the ingress does not join the connection to the route.
 * @throws The signal's reason, if it aborts first.
 */
export async function probePath(route: Route | undefined, options: ProbePathOptions): Promise<void> {
  const { access, gate, timeoutMs, signal } = options;
  const end = performance.now() + timeoutMs;
  const stream = await dialIngress(access, { timeoutMs, signal, gate, holder: "probe" });
  try {
    if (route === undefined) return;
    const request = { host: probeHost(route), port: route.port };
    const leftMs = Math.max(1, end - performance.now());
    await upgrade(stream, request, { timeoutMs: leftMs, signal });
    await withDeadline(endInOrder(stream), {
      ms: CLOSE_MS,
      signal,
      onTimeout: () => new DOMException("The endpoint keeps the connection open", "TimeoutError"),
    }).catch(() => {});
  } finally {
    closeQuietly(stream);
  }
}

/** Options of {@linkcode probePath}. */
export interface ProbePathOptions {
  readonly access: IngressAccess;
  readonly gate: DialGate;
  /** The time limit of dial and upgrade together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Ends our direction and reads to the end: unread bytes would make the end a reset. */
async function endInOrder(stream: ByteStream): Promise<void> {
  await stream.closeWrite();
  const buffer = new Uint8Array(4096);
  for (let total = 0; total < CLOSE_BYTES;) {
    const count = await stream.read(buffer);
    if (count === null) return;
    total += count;
  }
}
