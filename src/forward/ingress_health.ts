import type { DialError, UpgradeError } from "../model/errors.ts";
import { FailureLog } from "./failure_log.ts";
import { isRefusal } from "./upgrade.ts";

/**
 * The last failure of a connection to the ingress that no later connection has disproved; also logs
 * it.
 */
export class IngressHealth {
  readonly #log = new FailureLog();
  #state: IngressState = { state: "unknown", error: null, hint: null };

  /** Records that a connection reached the service with this key (`host:port`). */
  recordSuccess(service: string): void {
    this.#setOk();
    this.#log.recordSuccess(service);
  }

  /** Records that a connection failed. An ingress that refuses one endpoint is healthy itself. */
  recordFailure(service: string, error: DialError | UpgradeError): void {
    if (isRefusal(error)) this.#setOk();
    else this.#state = { state: "failing", error: error.message, hint: error.hint ?? null };
    this.#log.recordFailure(service, error);
  }

  report(): IngressState {
    return this.#state;
  }

  /** Forgets the failures of all other services. */
  retain(services: ReadonlySet<string>): void {
    this.#log.retain(services);
  }

  #setOk(): void {
    if (this.#state.state !== "ok") this.#state = { state: "ok", error: null, hint: null };
  }
}

/** The state of the ingress, as `status` shows it. */
export interface IngressState {
  readonly state: "unknown" | "ok" | "failing";
  readonly error: string | null;
  readonly hint: string | null;
}
