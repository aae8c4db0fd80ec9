import { getLogger } from "@logtape/logtape";
import { DialError, type UpgradeError } from "../model/errors.ts";
import { isRefusal } from "./upgrade.ts";

const log = getLogger(["ngrokd", "forward"]);

/**
 * The time in which there is at most one warning per reason, and {@linkcode MAX_WARNINGS} about
 * single services.
 */
const QUIET_MS = 10_000;
const MAX_WARNINGS = 20;

/**
 * Logs that connections fail and that they work again, with one line for many connections. A
 * refusal concerns one service. All other failures concern the ingress and get one line for all
 * services.
 */
export class FailureLog {
  /** The refusals by service key. */
  readonly #refused = new Map<string, Episode>();
  /** The failures of the ingress by class and code of the error. */
  readonly #ingress = new Map<string, Episode>();
  #window = { since: -Infinity, warnings: 0, suppressed: 0 };

  /** Records that a connection to the service (`host:port`) failed. */
  recordFailure(service: string, error: DialError | UpgradeError): void {
    const isOfService = isRefusal(error);
    const kind = error instanceof DialError ? "dial" : "upgrade";
    const episodes = isOfService ? this.#refused : this.#ingress;
    const key = isOfService ? service : `${kind} ${error.code}`;
    const now = performance.now();
    const episode = episodes.get(key);
    if (episode !== undefined && now - episode.warnedAt < QUIET_MS) {
      episode.suppressed++;
      return;
    }
    episodes.set(key, { warnedAt: now, suppressed: 0 });
    if (isOfService && !this.#mayWarn(now)) return;
    const { code, message: reason, hint } = error;
    const suppressed = episode?.suppressed ?? 0;
    log.warn("Cannot connect to {name}: {error}", { name: service, error: reason, code, hint, suppressed });
  }

  /** Records that a connection reached the service. */
  recordSuccess(service: string): void {
    const now = performance.now();
    for (const [key, { warnedAt }] of this.#ingress) {
      if (now - warnedAt < QUIET_MS) continue;
      this.#ingress.delete(key);
      if (this.#ingress.size === 0) log.info("Connections to the ingress work again");
    }
    const episode = this.#refused.get(service);
    if (episode === undefined || now - episode.warnedAt < QUIET_MS) return;
    this.#refused.delete(service);
    if (this.#mayWarn(now)) log.info("Connections to {name} work again", { name: service });
  }

  /** Forgets all services but these. */
  retain(services: ReadonlySet<string>): void {
    for (const key of this.#refused.keys()) if (!services.has(key)) this.#refused.delete(key);
  }

  #mayWarn(now: number): boolean {
    if (now - this.#window.since >= QUIET_MS) {
      const { suppressed } = this.#window;
      if (suppressed > 0) {
        log.warn("Suppressed {count} messages about other endpoints", {
          count: suppressed,
          hint: "See: ngrokctl list",
        });
      }
      this.#window = { since: now, warnings: 0, suppressed: 0 };
    }
    if (this.#window.warnings < MAX_WARNINGS) return ++this.#window.warnings > 0;
    this.#window.suppressed++;
    return false;
  }
}

interface Episode {
  warnedAt: number;
  suppressed: number;
}
