import { type DialError, UpgradeError } from "../model/errors.ts";
import type { IngressStep } from "../model/report.ts";
import { EndpointFailures } from "./endpoint_failures.ts";
import { FailureLog } from "./failure_log.ts";
import { ingressStep } from "./ingress_step.ts";
import { ProbeLog } from "./probe_log.ts";
import { isRefusal } from "./upgrade.ts";

/**
 * The last failure of a connection to the ingress that no later connection or probe has disproved,
 * and the endpoints that are failing; also logs failures.
 */
export class IngressHealth {
  /** The failures of single endpoints. */
  readonly endpoints: EndpointFailures = new EndpointFailures();
  readonly #log = new FailureLog();
  readonly #probeLog = new ProbeLog();
  #state: IngressState = { state: "unknown", error: null, hint: null };
  #check: IngressCheck = { step: null, at: undefined };
  #provenAt = -Infinity;
  #isUpgradeFailing = false;

  /** Records that a connection reached the service with this key (`host:port`). */
  recordSuccess(service: string): void {
    this.#setOk();
    this.endpoints.recordSuccess(service);
    this.#log.recordSuccess(service);
    this.#probeLog.recordSuccess(service);
  }

  /** Records that a connection failed. An ingress that refuses one endpoint is healthy itself. */
  recordFailure(service: string, error: DialError | UpgradeError): void {
    this.#fail(error);
    // At a limit of ngrokd itself nobody has tried to reach the endpoint.
    if (error.code !== "full") this.endpoints.recordFailure(service, error);
    this.#log.recordFailure(service, error);
  }

  /**
   * Records that a probe shook hands with the ingress and asked for no service, which says nothing
   * about upgrades.
   */
  recordReached(): void {
    if (this.#state.state === "failing" && this.#isUpgradeFailing) return;
    this.#setOk();
    this.endpoints.recordReached();
    this.#probeLog.recordReached();
  }

  /** Records that a probe failed. `service` is undefined if it asked for none. */
  recordProbeFailure(service: string | undefined, error: DialError | UpgradeError): void {
    this.#fail(error);
    if (!isRefusal(error)) this.endpoints.recordUnreached(error);
    if (service !== undefined) this.endpoints.recordFailure(service, error);
    this.#probeLog.recordFailure(service, error);
  }

  report(): IngressState {
    return this.#state;
  }

  /** The last connection or probe. */
  get check(): IngressCheck {
    return this.#check;
  }

  /** The time when the ingress last answered, by `performance.now()`; -Infinity if never. */
  get provenAt(): number {
    return this.#provenAt;
  }

  /** Forgets the failures of all other services. */
  retain(services: ReadonlySet<string>): void {
    this.#log.retain(services);
    this.#probeLog.retain(services);
    this.endpoints.retain(services);
  }

  #fail(error: DialError | UpgradeError): void {
    if (isRefusal(error)) {
      this.#setOk();
      this.endpoints.recordReached();
      this.#probeLog.recordReached();
      return;
    }
    this.#isUpgradeFailing = error instanceof UpgradeError;
    this.#state = { state: "failing", error: error.message, hint: error.hint ?? null };
    this.#check = { step: ingressStep(error), at: Date.now() };
  }

  #setOk(): void {
    if (this.#state.state !== "ok") this.#state = { state: "ok", error: null, hint: null };
    this.#check = { step: null, at: Date.now() };
    this.#provenAt = performance.now();
  }
}

/** The state of the ingress, as `status` shows it. */
export interface IngressState {
  readonly state: "unknown" | "ok" | "failing";
  readonly error: string | null;
  readonly hint: string | null;
}

/** The last connection or probe. */
export interface IngressCheck {
  /** The step that failed, or null. */
  readonly step: IngressStep | null;
  /** Milliseconds since the epoch; undefined if there was none. */
  readonly at: number | undefined;
}
