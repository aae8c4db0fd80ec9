import type { Outcome } from "../model/traffic.ts";
import type { AcceptedStream } from "../system/tcp.ts";
import { sourceOf } from "./admission/source_of.ts";
import { chooseNext } from "./choose_route.ts";
import type { ConnectionOptions } from "./connection_options.ts";
import { openCounted } from "./counted_upstream.ts";
import type { Found } from "./find_route.ts";
import { followClient } from "./follow_client.ts";
import { RequestFramer } from "./http/frame_requests.ts";
import { FramedStream } from "./http/framed_stream.ts";
import { headRulesOf } from "./http/head_rules.ts";
import { pipe } from "./pipe.ts";
import { RequestRouter } from "./request_router.ts";

/**
 * Serves a connection request by request: each goes to the endpoint of its own host, or gets
 * another Host if it may (docs/reliability.md R35).
 *
 * @throws As {@linkcode openCounted}, before the first byte is passed on.
 */
export async function serveRequests(local: AcceptedStream, options: ServeOptions): Promise<Outcome> {
  const { found: { choice, initial }, routes, rules, limits, turns, ingressSlots, evict, signal } = options;
  const source = sourceOf(local);
  using router = new RequestRouter(choice, {
    choose: (last, next) => chooseNext(last, next, { routes, rules }),
    open: (next, evict) => openCounted(next, { ...options, source, evict }),
    isFull: () => ingressSlots.inUse >= ingressSlots.max,
    evict,
  });
  await router.openFirst();
  const framer = new RequestFramer({
    admit: (head) => router.admit(head),
    hostField: choice.hostField,
    rules: () => headRulesOf(routes()),
  });
  const framed = new FramedStream(local, {
    framer,
    turn: () => turns.take(local.peer),
    initial,
    answers: router,
    closeTimeoutMs: options.halfCloseMs,
    headTimeoutMs: limits.headMs,
    lingerMs: limits.lingerMs,
  });
  const { client, activity } = followClient(framed, options);
  await pipe(client, router, {
    meter: activity.metered(router.meter),
    closeTimeoutMs: options.halfCloseMs,
    signal,
  });
  return router.outcome;
}

interface ServeOptions extends ConnectionOptions {
  readonly found: Found;
}
