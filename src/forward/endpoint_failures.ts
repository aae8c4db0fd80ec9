import { DialError, UpgradeError, withHint } from "../model/errors.ts";
import { isRefusal } from "./upgrade.ts";

/** An endpoint is failing after so many failures in a row. */
const FAILING_AFTER = 3;

/**
 * The services (`host:port`) whose last connections failed, by traffic or by a probe. The first
 * success of a service ends its failures. A failure to reach the ingress ends with the first answer
 * of the ingress, whatever service it is for.
 */
export class EndpointFailures {
  readonly #refused = new Map<string, Failures>();
  readonly #unreached = new Map<string, Failures>();
  /** The probes in a row that did not reach the ingress. */
  #probes: Failures = { count: 0, error: "" };
  /** The services whose upgrades the ingress has not answered since it last answered one. */
  readonly #unanswered = new Set<string>();

  /** Records that an upgrade to the service succeeded. */
  recordSuccess(service: string): void {
    this.#refused.delete(service);
    this.recordReached();
  }

  /** Records that the ingress answered. */
  recordReached(): void {
    this.#unreached.clear();
    this.#unanswered.clear();
    if (this.#probes.count > 0) this.#probes = { count: 0, error: "" };
  }

  /** Records that a connection to the service failed. */
  recordFailure(service: string, error: DialError | UpgradeError): void {
    const failures = error instanceof DialError ? this.#unreached : this.#refused;
    failures.set(service, next(failures.get(service), error));
    if (error instanceof UpgradeError && !isRefusal(error)) this.#unanswered.add(service);
  }

  /**
   * Records that a probe did not reach the ingress, which concerns all services. An upgrade that
   * was not answered counts only if one to another service was not answered either: the endpoint
   * alone may hang.
   */
  recordUnreached(error: DialError | UpgradeError): void {
    if (error instanceof UpgradeError && this.#unanswered.size < 2) return;
    this.#probes = next(this.#probes, error);
  }

  /** Returns the last error of a service that is failing; undefined if it is not. */
  errorOf(service: string): string | undefined {
    const [refused, unreached] = [this.#refused.get(service), this.#unreached.get(service)];
    const count = (refused?.count ?? 0) + (unreached?.count ?? 0);
    if (count >= FAILING_AFTER) return (unreached ?? refused)?.error;
    return this.#probes.count >= FAILING_AFTER ? this.#probes.error : undefined;
  }

  /** The services that the ingress does not join a connection to, with the failures in a row. */
  get refused(): Iterable<readonly [service: string, isFailing: boolean]> {
    return this.#refused.entries().map(([service, { count }]) => [service, count >= FAILING_AFTER] as const);
  }

  /** Forgets all other services. */
  retain(services: ReadonlySet<string>): void {
    for (const failures of [this.#refused, this.#unreached, this.#unanswered]) {
      for (const key of failures.keys()) if (!services.has(key)) failures.delete(key);
    }
  }
}

/** Failures in a row. */
interface Failures {
  readonly count: number;
  /** The last error. */
  readonly error: string;
}

function next(failures: Failures | undefined, error: DialError | UpgradeError): Failures {
  // The hint about the ingress is in `status`, once and not for each of thousands of endpoints.
  const text = error instanceof DialError ? error.message : withHint(error);
  return { count: (failures?.count ?? 0) + 1, error: text };
}
