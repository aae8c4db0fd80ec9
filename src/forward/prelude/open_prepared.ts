import { UpgradeError } from "../../model/errors.ts";
import { closeQuietly } from "../../system/byte_stream.ts";
import { withDeadline } from "../../system/clock.ts";
import type { RouteChoice } from "../choose_route.ts";
import {
  type Connected,
  connectUpstream,
  takeSlot,
  type Upstream,
  type UpstreamOptions,
} from "../upstream.ts";
import { REQUESTERS, type TlsAnswer, type TlsRequester } from "./request_tls.ts";

/** A server that begins with TLS answers at once, because the request is no ClientHello. */
const ANSWER_MS = 3_000;

/**
 * Opens the upstream of a connection, up to the point where its ClientHello is due: slot → dial →
 * upgrade → request for TLS, with one deadline for all. A server of a protocol that asks for TLS in
 * clear text waits for that request. A server that begins with TLS refuses it; ngrokd then connects
 * again without it, in the same slot.
 *
 * @throws As {@linkcode takeSlot} and {@linkcode connectUpstream} do, and {@linkcode UpgradeError}
 * `no_tls` if the server declines TLS, or `no_tls_answer` if it does not answer.
 */
export async function openPrepared(choice: RouteChoice, options: UpstreamOptions): Promise<Upstream> {
  const { limits: { ingressMs }, signal } = options;
  const endMs = performance.now() + ingressMs;
  using stack = new DisposableStack();
  const slot = stack.use(await takeSlot(options));
  let connected = await connectUpstream(choice, { ...options, endMs });
  stack.defer(() => closeQuietly(connected.stream));
  if (choice.prelude !== undefined) {
    const requester = REQUESTERS[choice.prelude];
    const ms = Math.max(1, Math.min(ANSWER_MS, endMs - performance.now()));
    const answer = await requestTls(connected, { requester, ms, signal });
    signal.throwIfAborted();
    if (answer === "declined" || answer === "silent") throw noTls(choice, { requester, answer });
    if (answer === "other") {
      closeQuietly(connected.stream);
      connected = await connectUpstream(choice, { ...options, endMs });
    }
  }
  const owned = stack.move();
  return { ...connected, slot, [Symbol.dispose]: () => owned.dispose() };
}

async function requestTls(
  { stream, early }: Connected,
  { requester, ms, signal }: RequestOptions,
): Promise<TlsAnswer | "silent"> {
  // A server of these protocols never speaks first.
  if (early.length > 0) return "other";
  const late = new Error("Cannot ask for TLS: no answer");
  try {
    return await withDeadline(requester.request(stream), { ms, signal, onTimeout: () => late });
  } catch (error) {
    // A server that begins with TLS may also reset the connection.
    return error === late ? "silent" : "other";
  }
}

interface RequestOptions {
  readonly requester: TlsRequester;
  readonly ms: number;
  readonly signal: AbortSignal;
}

function noTls(
  { host, route }: RouteChoice,
  { requester, answer }: { readonly requester: TlsRequester; readonly answer: "declined" | "silent" },
): UpgradeError {
  const { name, hint } = requester;
  const where = `Cannot reach ${host}:${route.port}`;
  return answer === "declined"
    ? new UpgradeError(`${where}: ${name} declines TLS`, { code: "no_tls", hint })
    : new UpgradeError(`${where}: ${name} does not answer the request for TLS`, {
      code: "no_tls_answer",
      hint: "Check that the server behind the endpoint runs and speaks this protocol",
    });
}
