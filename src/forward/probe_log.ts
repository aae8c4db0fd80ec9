import { getLogger } from "@logtape/logtape";
import { DialError, type UpgradeError } from "../model/errors.ts";
import { isRefusal } from "./upgrade.ts";

const log = getLogger(["ngrokd", "forward"]);

/** Logs the result of probes when it changes, because a failure can last for days. */
export class ProbeLog {
  /** The services whose upgrades failed, with the code that was logged. */
  readonly #failed = new Map<string, string>();
  /** The service whose upgrade the ingress did not answer, until it answers one. */
  #unanswered: string | undefined;
  /** True if a failure of the ingress was logged. */
  #isUnreached = false;

  /** Records a failed probe. */
  recordFailure(service: string | undefined, error: DialError | UpgradeError): void {
    const { code, message, hint } = error;
    if (service !== undefined && this.#isOfService(service, error)) {
      if (this.#failed.get(service) === code) return;
      this.#failed.set(service, code);
      log.warn("Endpoint {name} does not answer a probe: {error}", {
        name: service,
        error: message,
        code,
        hint,
      });
      return;
    }
    if (this.#isUnreached) return;
    this.#isUnreached = true;
    log.warn("A probe does not reach the ingress: {error}", { error: message, code, hint });
  }

  /** Records that an upgrade to the service succeeded. */
  recordSuccess(service: string): void {
    this.recordReached();
    if (this.#failed.delete(service)) log.info("Endpoint {name} answers again", { name: service });
  }

  /** Records that the ingress answered. */
  recordReached(): void {
    this.#unanswered = undefined;
    if (!this.#isUnreached) return;
    this.#isUnreached = false;
    log.info("The ingress answers again");
  }

  /** Forgets all other services. */
  retain(services: ReadonlySet<string>): void {
    for (const key of this.#failed.keys()) if (!services.has(key)) this.#failed.delete(key);
  }

  /** Returns false if the ingress does not answer the upgrade to another service either. */
  #isOfService(service: string, error: DialError | UpgradeError): boolean {
    if (error instanceof DialError) return false;
    if (isRefusal(error)) return true;
    this.#unanswered ??= service;
    return this.#unanswered === service;
  }
}
