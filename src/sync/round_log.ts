import { getLogger } from "@logtape/logtape";
import type { RefusedEndpoint } from "../model/endpoint.ts";
import { type EndpointOutcome, listenAddress } from "./round.ts";
import { sayEach } from "./say_each.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Says after each round what is new of single endpoints, once. */
export class RoundLog {
  /** How each endpoint stood at the end of the last round. */
  #states: ReadonlyMap<string, EndpointOutcome["state"]> = new Map();
  /** Id and reason of all that were not served then. */
  #unserved: ReadonlySet<string> = new Set();

  /** Gives the ids of the endpoints that have gone since the last round. */
  report(outcomes: readonly EndpointOutcome[], refused: readonly RefusedEndpoint[]): string[] {
    const states = new Map(outcomes.map(({ endpoint, state }) => [endpoint.id, state]));
    const failed = outcomes.filter(({ state }) => state === "failed").map((
      { endpoint: { id, url }, reason },
    ) => ({ id, url, reason }));
    const started = outcomes.filter(({ endpoint, state }) =>
      state === "active" && this.#states.get(endpoint.id) !== "active"
    );
    const gone = [...this.#states.keys()].filter((id) => !states.has(id));
    const isNew = (unserved: RefusedEndpoint) => !this.#unserved.has(keyOf(unserved));

    sayEach(started, {
      one: ({ endpoint: { id, url }, route }) =>
        log.info("Listening for {url} on {address}", { url, address: listenAddress(route!), id }),
      rest: (count) => log.info("Listening for {count} more endpoints", { count }),
    });
    sayEach(failed.filter(isNew), {
      one: ({ id, url, reason }) => log.error("Cannot serve {url}: {reason}", { url, reason, id }),
      rest: (count) => log.error("Cannot serve {count} more endpoints: ngrokctl list says why", { count }),
    });
    sayEach(refused.filter(isNew), {
      one: ({ id, url, reason }) => log.warn("Refused {url}: {reason}", { url, reason, id }),
      rest: (count) => log.warn("Refused {count} more endpoints: ngrokctl list says why", { count }),
    });
    if (gone.length > 0) {
      log.info("Endpoints are gone", { count: gone.length, ids: gone.slice(0, 10).join(" ") });
    }
    this.#states = states;
    this.#unserved = new Set([...failed, ...refused].map(keyOf));
    return gone;
  }
}

function keyOf({ id, reason }: RefusedEndpoint): string {
  return `${id} ${reason}`;
}
