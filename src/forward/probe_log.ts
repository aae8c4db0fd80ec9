import { getLogger } from "@logtape/logtape";
import { DialError, type UpgradeError } from "../model/errors.ts";
import { isRefusal } from "./upgrade.ts";

const log = getLogger(["ngrokd", "forward"]);

/** Logs the result of probes when it changes, because a failure can last for days. */
export class ProbeLog {
  /** The refusals by service, with the code that was logged. */
  readonly #refused = new Map<string, string>();
  /** The failure of the ingress that was logged. */
  #unreached: string | undefined;

  /** Records a failed probe. */
  recordFailure(service: string | undefined, error: DialError | UpgradeError): void {
    const { code, message, hint } = error;
    if (service !== undefined && isRefusal(error)) {
      if (this.#refused.get(service) === code) return;
      this.#refused.set(service, code);
      log.warn("Endpoint {name} does not answer a probe: {error}", {
        name: service,
        error: message,
        code,
        hint,
      });
      return;
    }
    const key = `${error instanceof DialError ? "dial" : "upgrade"} ${code}`;
    if (this.#unreached === key) return;
    this.#unreached = key;
    log.warn("A probe does not reach the ingress: {error}", { error: message, code, hint });
  }

  /** Records that an upgrade to the service succeeded. */
  recordSuccess(service: string): void {
    this.recordReached();
    if (this.#refused.delete(service)) log.info("Endpoint {name} answers again", { name: service });
  }

  /** Records that the ingress answered. */
  recordReached(): void {
    if (this.#unreached === undefined) return;
    this.#unreached = undefined;
    log.info("The ingress answers again");
  }

  /** Forgets all other services. */
  retain(services: ReadonlySet<string>): void {
    for (const key of this.#refused.keys()) if (!services.has(key)) this.#refused.delete(key);
  }
}
