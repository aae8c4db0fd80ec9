import type { Outcome } from "../model/traffic.ts";
import type { AcceptedStream } from "../system/tcp.ts";
import { sourceOf } from "./admission/source_of.ts";
import type { ConnectionOptions } from "./connection_options.ts";
import { badGateway, isIngressFailure, openCounted, outcomeOf } from "./counted_upstream.ts";
import { findRoute, type Found } from "./find_route.ts";
import { FirstBytes } from "./first_bytes.ts";
import { followClient } from "./follow_client.ts";
import { httpResponse, sendRefusal } from "./http/refuse.ts";
import { pipe } from "./pipe.ts";
import { serveRequests } from "./serve_requests.ts";

/**
 * Serves one connection from its first byte to its last: find_route → counted_upstream → pipe, or
 * serve_requests if its requests are read. The caller closes `local`.
 *
 * @throws Whatever `local` throws before the pipe runs, and the signal's reason.
 */
export async function serveConnection(local: AcceptedStream, options: ConnectionOptions): Promise<Outcome> {
  const { routes, rules, limits, largeHeads, onRouted } = options;
  const found = await findRoute(local, {
    routes: routes(),
    rules,
    limits,
    largeHeads,
    source: sourceOf(local) ?? local.local,
  });
  if (found.kind === "not_found") {
    if (found.protocol !== undefined) options.onNameless(found.protocol);
    const { refusal, endsFirst } = found;
    if (refusal !== undefined) await sendRefusal(local, refusal, { ...limits, endsFirst });
    return found.outcome;
  }
  onRouted();
  const { choice, method } = found;
  try {
    if (!choice.passthrough) return await serveRequests(local, { ...options, found });
    await serveBytes(local, { ...options, found });
    return "ok";
  } catch (error) {
    if (!isIngressFailure(error)) throw error;
    if (method !== undefined) {
      const refusal = badGateway(choice, { error, method });
      await sendRefusal(local, httpResponse(refusal), limits);
    }
    return outcomeOf(error);
  }
}

/** Serves a connection of which every byte goes to one endpoint. */
async function serveBytes(
  local: AcceptedStream,
  options: ConnectionOptions & { readonly found: Found },
): Promise<void> {
  const { found, follow, halfCloseMs, signal } = options;
  using upstream = await openCounted(found.choice, { ...options, source: sourceOf(local) });
  const { client, activity } = followClient(local, { found, follow });
  await pipe(client, upstream.stream, {
    meter: activity.metered(upstream.meter),
    closeTimeoutMs: halfCloseMs,
    signal,
    fromLocal: found.initial,
    fromUpstream: new FirstBytes(upstream.early),
  });
}
