import { getLogger } from "@logtape/logtape";
import { DialError, type UpgradeError } from "../model/errors.ts";
import { isRefusal } from "./ingress_health.ts";

const log = getLogger(["ngrokd", "forward"]);

/** At most one warning per reason in this time, ... */
const QUIET_MS = 10_000;
/** ... and so many about single endpoints. */
const MAX_WARNINGS = 20;

interface Episode {
  warnedAt: number;
  suppressed: number;
}

/**
 * Logs that connections fail, and that they work again: one line for many. What the cloud refuses is a matter of one endpoint; everything
 * else is the ingress's, and one line for all endpoints.
 */
export class FailureLog {
  /** By the endpoint's name. */
  readonly #refused = new Map<string, Episode>();
  /** By the error's class and code. */
  readonly #ingress = new Map<string, Episode>();
  #window = { since: -Infinity, warnings: 0, suppressed: 0 };

  /** `name` is `host:port` of the route. */
  failed(name: string, error: DialError | UpgradeError): void {
    const ofEndpoint = isRefusal(error);
    const kind = error instanceof DialError ? "dial" : "upgrade";
    const episodes = ofEndpoint ? this.#refused : this.#ingress;
    const key = ofEndpoint ? name : `${kind} ${error.code}`;
    const now = performance.now();
    const episode = episodes.get(key);
    if (episode !== undefined && now - episode.warnedAt < QUIET_MS) {
      episode.suppressed++;
      return;
    }
    episodes.set(key, { warnedAt: now, suppressed: 0 });
    if (ofEndpoint && !this.#mayWarn(now)) return;
    const { code, message: reason, hint } = error;
    const suppressed = episode?.suppressed ?? 0;
    log.warn("Connections to {name} fail: {reason}", { name, reason, code, hint, suppressed });
  }

  /** A connection reached the endpoint. */
  worked(name: string): void {
    const now = performance.now();
    for (const [key, { warnedAt }] of this.#ingress) {
      if (now - warnedAt < QUIET_MS) continue;
      this.#ingress.delete(key);
      if (this.#ingress.size === 0) log.info("Connections to the ingress work again");
    }
    const episode = this.#refused.get(name);
    if (episode === undefined || now - episode.warnedAt < QUIET_MS) return;
    this.#refused.delete(name);
    if (this.#mayWarn(now)) log.info("Connections to {name} work again", { name });
  }

  /** Keeps only what is known of these names. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#refused.keys()) if (!names.has(name)) this.#refused.delete(name);
  }

  #mayWarn(now: number): boolean {
    if (now - this.#window.since >= QUIET_MS) {
      const { suppressed } = this.#window;
      if (suppressed > 0) {
        log.warn("{suppressed} more endpoints failed or worked again: see ngrokctl list", { suppressed });
      }
      this.#window = { since: now, warnings: 0, suppressed: 0 };
    }
    if (this.#window.warnings < MAX_WARNINGS) return ++this.#window.warnings > 0;
    this.#window.suppressed++;
    return false;
  }
}
