import { DialError, UpgradeError } from "../model/errors.ts";
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
  #check: IngressCheck = { step: null, at: undefined, answeredAt: undefined };
  #provenAt = -Infinity;
  #unanswered: string | undefined;

  /** Records that a connection reached the service with this key (`host:port`). */
  recordSuccess(service: string): void {
    this.#setAnswered();
    this.endpoints.recordSuccess(service);
    this.#log.recordSuccess(service);
    this.#probeLog.recordSuccess(service);
  }

  /**
   * Records that a connection failed. An ingress that refuses one endpoint is healthy itself, and a
   * limit of ngrokd itself says nothing about the ingress.
   */
  recordFailure(service: string, error: DialError | UpgradeError): void {
    this.#log.recordFailure(service, error);
    if (error.code === "full") return;
    this.#fail(service, error);
    if (!isLocal(error)) this.endpoints.recordFailure(service, error);
  }

  /**
   * Records that a probe shook hands with the ingress and asked for no service, which says nothing
   * about upgrades.
   */
  recordReached(): void {
    if (this.#unanswered !== undefined) return;
    this.#setOk();
    this.endpoints.recordReached();
    this.#probeLog.recordReached();
  }

  /** Records that a probe failed. `service` is undefined if it asked for none. */
  recordProbeFailure(service: string | undefined, error: DialError | UpgradeError): void {
    this.#fail(service, error);
    if (service !== undefined && !isLocal(error)) this.endpoints.recordFailure(service, error);
    if (!isRefusal(error)) this.endpoints.recordUnreached(error);
    this.#probeLog.recordFailure(service, error);
  }

  report(): IngressState {
    return this.#state;
  }

  /** The service whose upgrade the ingress did not answer, if that is the last failure. */
  get unanswered(): string | undefined {
    return this.#unanswered;
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

  #fail(service: string | undefined, error: DialError | UpgradeError): void {
    if (isRefusal(error)) {
      this.#setAnswered();
      this.endpoints.recordReached();
      this.#probeLog.recordReached();
      return;
    }
    this.#unanswered = error instanceof UpgradeError ? service : undefined;
    this.#state = { state: "failing", error: error.message, hint: error.hint ?? null };
    this.#check = { ...this.#check, step: ingressStep(error), at: Date.now() };
  }

  #setAnswered(): void {
    this.#setOk();
    this.#check = { ...this.#check, answeredAt: this.#check.at };
  }

  #setOk(): void {
    if (this.#state.state !== "ok") this.#state = { state: "ok", error: null, hint: null };
    this.#unanswered = undefined;
    this.#check = { ...this.#check, step: null, at: Date.now() };
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
  /** The time when the ingress last answered an upgrade, in the same unit. */
  readonly answeredAt: number | undefined;
}

/** Returns true if ngrokd itself refused the connection, so that nobody tried to reach anything. */
function isLocal(error: DialError | UpgradeError): boolean {
  return error instanceof DialError && error.isLocal;
}
