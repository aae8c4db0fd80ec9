import { getLogger } from "@logtape/logtape";
import type { DialError, UpgradeError } from "../model/errors.ts";

const log = getLogger(["ngrokd", "forward"]);

/** At most one warning per endpoint in this time. */
const QUIET_MS = 10_000;

interface Episode {
  warnedAt: number;
  suppressed: number;
}

/** Logs that an endpoint cannot be reached, and that it can again: one line for many connections. */
export class FailureLog {
  readonly #episodes = new Map<string, Episode>();

  /** `name` is `host:port` of the route. */
  failed(name: string, error: DialError | UpgradeError): void {
    const now = performance.now();
    const episode = this.#episodes.get(name);
    if (episode !== undefined && now - episode.warnedAt < QUIET_MS) {
      episode.suppressed++;
      return;
    }
    const { code, message: reason, hint } = error;
    log.warn("Connections to {name} fail: {reason}", {
      name,
      reason,
      code,
      hint,
      suppressed: episode?.suppressed ?? 0,
    });
    this.#episodes.set(name, { warnedAt: now, suppressed: 0 });
  }

  /** A connection reached the endpoint. */
  worked(name: string): void {
    const episode = this.#episodes.get(name);
    if (episode === undefined || performance.now() - episode.warnedAt < QUIET_MS) return;
    this.#episodes.delete(name);
    log.info("Connections to {name} work again", { name });
  }

  /** Keeps only what is known of these names. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#episodes.keys()) if (!names.has(name)) this.#episodes.delete(name);
  }
}
