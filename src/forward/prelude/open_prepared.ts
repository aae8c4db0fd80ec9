import { UpgradeError } from "../../model/errors.ts";
import { withDeadline } from "../../system/clock.ts";
import type { RouteChoice } from "../choose_route.ts";
import { openUpstream, type Upstream, type UpstreamOptions } from "../upstream.ts";
import { REQUESTERS, type TlsAnswer, type TlsRequester } from "./request_tls.ts";

/** A server that begins with TLS answers at once, because the request is no ClientHello. */
const ANSWER_MS = 3_000;

/**
 * Opens the upstream of a connection, up to the point where its ClientHello is due. A server of a
 * protocol that asks for TLS in clear text waits for that request. A server that begins with TLS
 * refuses it; the upstream is then opened again without it.
 *
 * @throws As {@linkcode openUpstream} does, and {@linkcode UpgradeError} `no_tls` if the server
 * declines TLS.
 */
export async function openPrepared(choice: RouteChoice, options: UpstreamOptions): Promise<Upstream> {
  const upstream = await openUpstream(choice, options);
  if (choice.prelude === undefined) return upstream;
  using stack = new DisposableStack();
  stack.use(upstream);
  const requester = REQUESTERS[choice.prelude];
  const answer = await requestTls(upstream, { requester, signal: options.signal });
  options.signal.throwIfAborted();
  if (answer === "accepted") {
    stack.move();
    return upstream;
  }
  if (answer === "declined") {
    const { name, hint } = requester;
    throw new UpgradeError(`Cannot reach ${choice.host}:${choice.route.port}: ${name} declines TLS`, {
      code: "no_tls",
      hint,
    });
  }
  stack.dispose();
  return await openUpstream(choice, options);
}

async function requestTls(
  { stream, early }: Upstream,
  { requester, signal }: { readonly requester: TlsRequester; readonly signal: AbortSignal },
): Promise<TlsAnswer> {
  // A server of these protocols never speaks first.
  if (early.length > 0) return "other";
  try {
    return await withDeadline(requester.request(stream), {
      ms: ANSWER_MS,
      signal,
      onTimeout: () => new Error("Cannot ask for TLS: no answer"),
    });
  } catch {
    return "other";
  }
}
