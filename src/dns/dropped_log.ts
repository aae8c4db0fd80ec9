import { getLogger } from "@logtape/logtape";
import { printable } from "../lib/printable.ts";

const log = getLogger(["ngrokd", "dns"]);

/** The most names in a period: whoever has a domain can make names without end. */
const MAX_NAMES = 100;
const PERIOD_MS = 24 * 60 * 60 * 1000;

/** Logs names whose answers lost records, each once a day and at most 100 of them. */
export class DroppedLog {
  readonly #names = new Set<string>();
  #since = performance.now();

  report(name: string, reason: string): void {
    if (performance.now() - this.#since >= PERIOD_MS) {
      this.#names.clear();
      this.#since = performance.now();
    }
    if (this.#names.has(name) || this.#names.size > MAX_NAMES) return;
    this.#names.add(name);
    if (this.#names.size > MAX_NAMES) {
      log.warn("Dropped records of more than {count} names; no more are logged today", { count: MAX_NAMES });
      return;
    }
    log.warn("Dropped a record from a forwarded answer for {name}: {error}", {
      name: printable(name),
      error: printable(reason),
      hint: `If it is right, add "${printable(name)}" to dns.allow_private: ngrokctl config edit`,
    });
  }
}
