import { serviceKey } from "../model/endpoint.ts";
import { DialError } from "../model/errors.ts";
import type { Route } from "../model/route_table.ts";
import { chooseProbe, type ChooseProbeOptions, isTcp, type LastProbed } from "./choose_probe.ts";

/**
 * The turns of the endpoints that probes ask for. Every second probe goes to one that is failing,
 * if there is one. A tcp endpoint is asked for once in `server.probe_interval`.
 */
export class ProbeTurns {
  #last: LastProbed = { usual: "", failing: "" };
  #isFailingNext = false;
  /** The times of upgrades to tcp services, for one interval. */
  readonly #askedAt = new Map<string, number>();

  /** Chooses the route of the next probe as {@linkcode chooseProbe} does. */
  next(routes: readonly Route[], options: NextProbeOptions): Route | undefined {
    const { intervalMs, isProven, ...rest } = options;
    const now = performance.now();
    for (const [service, at] of this.#askedAt) if (now - at >= intervalMs) this.#askedAt.delete(service);
    return chooseProbe(routes, {
      ...rest,
      last: this.#last,
      isFailingNext: isProven || this.#isFailingNext,
      mayAskTcp: (service) => !this.#askedAt.has(service),
    });
  }

  /** Records a probe of the route, with the error that ended it. */
  record(route: Route, { wasFailing, error }: { wasFailing: boolean; error: unknown }): void {
    const service = serviceKey(route);
    this.#last = wasFailing ? { ...this.#last, failing: service } : { ...this.#last, usual: service };
    this.#isFailingNext = !wasFailing;
    // A dial that failed has not reached the server.
    if (isTcp(route) && !(error instanceof DialError)) this.#askedAt.set(service, performance.now());
  }
}

/** Options of {@linkcode ProbeTurns.next}. */
export interface NextProbeOptions extends Pick<ChooseProbeOptions, "occasion" | "refused" | "unanswered"> {
  /** `server.probe_interval`. */
  readonly intervalMs: number;
  /** True if a connection within the interval has shown that the ingress works. */
  readonly isProven: boolean;
}
