import { FULL_HINT } from "./slot_refusals.ts";
import { getLogger } from "@logtape/logtape";

const log = getLogger(["ngrokd", "forward"]);

/** A burst ends when no connection had to give way for so long. */
const QUIET_MS = 60_000;
/** An attacker could use many addresses to fill the log. */
const MAX_NAMES = 8;

/** Logs once in each burst that connections of a holder had to give way. */
export class EvictionLog {
  readonly #max: number;
  readonly #named = new Set<string>();
  #lastAt = -Infinity;

  constructor(max: number) {
    this.#max = max;
  }

  /** Names the holder, unless this burst has named it or enough others. */
  report(holder: string, reason: "full" | "unsent"): void {
    const now = performance.now();
    if (now - this.#lastAt > QUIET_MS) this.#named.clear();
    this.#lastAt = now;
    const key = `${reason} ${holder}`;
    if (this.#named.has(key) || this.#named.size >= MAX_NAMES) return;
    this.#named.add(key);
    if (reason === "full") {
      log.warn("All {max} connections to the ingress are in use; closing the longest idle ones of {holder}", {
        max: this.#max,
        holder,
        hint: FULL_HINT,
      });
    } else {
      log.warn("Too many bytes wait for peers that do not read; closing the longest stalled of {holder}", {
        holder,
        hint: "Make these clients read, or give ngrokd more memory: the bound follows from its limit",
      });
    }
  }
}
