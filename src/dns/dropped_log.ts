import { getLogger } from "@logtape/logtape";
import { printable } from "../lib/printable.ts";
import type { DroppedRecord } from "./filter_reply.ts";

const log = getLogger(["ngrokd", "dns"]);

/** The most names in a period: whoever has a domain can make names without end. */
const MAX_NAMES = 100;
const PERIOD_MS = 24 * 60 * 60 * 1000;

/** Logs names whose answers lost records, each once a day and at most 100 of them. */
export class DroppedLog {
  readonly #names = new Set<string>();
  #since = performance.now();

  report({ name, reason, canAllow = false, isBlock = false }: DroppedRecord): void {
    const properties = {
      name: printable(name),
      error: printable(reason),
      ...canAllow && { hint: `If it is right, add "${name}" to dns.allow_private: ngrokctl config edit` },
    };
    // A server that blocks names does so all day, and clients see no difference.
    if (isBlock) log.debug("Dropped an answer that blocks {name}: {error}", properties);
    else if (this.#isNew(name)) {
      log.warn("Dropped a record from a forwarded answer for {name}: {error}", properties);
    }
  }

  #isNew(name: string): boolean {
    if (performance.now() - this.#since >= PERIOD_MS) {
      this.#names.clear();
      this.#since = performance.now();
    }
    if (this.#names.has(name) || this.#names.size > MAX_NAMES) return false;
    this.#names.add(name);
    if (this.#names.size <= MAX_NAMES) return true;
    log.warn("Dropped records of more than {count} names; no more are logged today", { count: MAX_NAMES });
    return false;
  }
}
