import { getLogger } from "@logtape/logtape";
import type { RefusedEndpoint } from "../model/endpoint.ts";
import type { Refusals } from "../model/refused.ts";
import { clientAddress, listenerKey } from "../model/route_table.ts";
import { logFirst } from "./log_first.ts";
import type { EndpointOutcome } from "./round.ts";

const log = getLogger(["ngrokd", "sync"]);

const SEE_LIST = "See: ngrokctl list";

/** Logs the changes of single endpoints after each round, once. */
export class RoundLog {
  /** Endpoint id → its state at the end of the last round. */
  #states: ReadonlyMap<string, EndpointOutcome["state"]> = new Map();
  /** The endpoints that were not served, or by address only, then; with the reason. */
  #unserved: ReadonlySet<string> = new Set();
  /** The number of refused endpoints that were only counted then. */
  #refusedMore = 0;
  /** The endpoints that shared an address with another of their domain then. */
  #shared = 0;

  /** Returns the ids of the endpoints that have gone since the last round. */
  report(outcomes: readonly EndpointOutcome[], { refused, refusedMore = 0 }: Refusals): string[] {
    const states = new Map(outcomes.map(({ endpoint, state }) => [endpoint.id, state]));
    const failed = outcomes.filter(({ state }) => state === "failed").map((
      { endpoint: { id, url }, reason },
    ) => ({ id, url, reason }));
    const degraded = outcomes.filter(({ state }) => state === "degraded").map((
      { endpoint: { id, url }, reason },
    ) => ({ id, url, reason }));
    const started = outcomes.filter(({ endpoint, state }) =>
      state === "active" && this.#states.get(endpoint.id) !== "active"
    );
    const gone = [...this.#states.keys()].filter((id) => !states.has(id));
    const isNew = (endpoint: RefusedEndpoint) => !this.#unserved.has(unservedKey(endpoint));

    logFirst(started, {
      one: ({ endpoint: { id, url }, route }) => {
        const address = listenerKey(clientAddress(route!), route!.localPort);
        log.info("Listening for {url} on {address}", { url, address, id });
      },
      rest: (count) => log.info("Listening for {count} more endpoints", { count }),
    });
    logFirst(failed.filter(isNew), {
      one: ({ id, url, reason }) => log.error("Cannot serve {url}: {error}", { url, error: reason, id }),
      rest: (count) => log.error("Cannot serve {count} more endpoints", { count, hint: SEE_LIST }),
    });
    logFirst(degraded.filter(isNew), {
      one: ({ id, url, reason }) =>
        log.warn("Serving {url} by its address only: {error}", { url, error: reason, id }),
      rest: (count) =>
        log.warn("Serving {count} more endpoints by their addresses only", { count, hint: SEE_LIST }),
    });
    logFirst(refused.filter(isNew), {
      one: ({ id, url, reason }) => log.warn("Refused {url}: {error}", { url, error: reason, id }),
      rest: (count) => log.warn("Refused {count} more endpoints", { count, hint: SEE_LIST }),
      further: refusedMore > this.#refusedMore ? refusedMore : 0,
    });
    const shared = outcomes.filter(({ isShared = false }) => isShared).length;
    if (shared > this.#shared) {
      log.warn("A browser can send requests for {count} endpoints to others that share their addresses", {
        count: shared,
        hint: SEE_LIST,
      });
    }
    this.#shared = shared;
    if (gone.length > 0) {
      const ids = gone.slice(0, 10).join(" ");
      log.info("Removed {count} endpoints", { count: gone.length, ids });
    }
    this.#states = states;
    this.#refusedMore = refusedMore;
    this.#unserved = new Set([...failed, ...degraded, ...refused].map(unservedKey));
    return gone;
  }
}

function unservedKey({ id, reason }: RefusedEndpoint): string {
  return `${id} ${reason}`;
}
