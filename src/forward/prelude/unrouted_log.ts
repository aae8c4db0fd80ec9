import { getLogger } from "@logtape/logtape";
import type { NamelessProtocol } from "./protocol_of.ts";

const log = getLogger(["ngrokd", "forward"]);

/** The time in which each protocol of a listener has one line, and all together have MAX_LINES. */
const QUIET_MS = 3_600_000;
const MAX_LINES = 20;

/**
 * Logs connections to shared listeners that name no server, with one line for many. Any client in
 * `net.allow_cidrs` can cause them.
 */
export class UnroutedLog {
  #since = -Infinity;
  readonly #logged = new Set<string>();
  #suppressed = 0;

  /** Records a connection from `peer` to the listener with this key (`address:port`). */
  report(address: string, { protocol, peer }: { protocol: NamelessProtocol; peer: string }): void {
    const now = performance.now();
    if (now - this.#since >= QUIET_MS) this.#begin(now);
    const { name, hint } = protocol;
    const key = `${address} ${name}`;
    if (this.#logged.has(key) || this.#logged.size >= MAX_LINES) {
      this.#suppressed++;
      return;
    }
    this.#logged.add(key);
    log.warn("Cannot route a connection on {address}: it names no endpoint; it looks like {protocol}", {
      address,
      protocol: name,
      peer,
      hint,
    });
  }

  #begin(now: number): void {
    if (this.#suppressed > 0) {
      log.warn("Suppressed {count} messages about connections that name no endpoint", {
        count: this.#suppressed,
      });
    }
    this.#since = now;
    this.#logged.clear();
    this.#suppressed = 0;
  }
}
