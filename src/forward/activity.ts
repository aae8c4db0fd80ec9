import type { Meter } from "./pipe.ts";
import type { OpenExchanges } from "./http/open_exchanges.ts";

/**
 * The time without traffic after which a connection of an unknown protocol seems to be at rest. The
 * direction of the last byte tells nothing: a TLS 1.3 server sends its tickets after the first
 * request and before the response, and HTTP/2 peers acknowledge what they have received.
 */
const QUIET_MS = 30_000;

/** Follows the traffic of one connection, to tell if it can end without a loss. */
export class Activity {
  readonly #exchanges: OpenExchanges | undefined;
  readonly #now: () => number;
  #movedAt: number;
  #writes = 0;

  constructor({ exchanges, now = () => performance.now() }: ActivityOptions = {}) {
    this.#exchanges = exchanges;
    this.#now = now;
    this.#movedAt = now();
  }

  /**
   * Returns `between` for an HTTP connection between two requests, and `quiet` for another one that
   * seems to be at rest; undefined for a busy one.
   */
  get rest(): Rest | undefined {
    if (this.#writes > 0) return undefined;
    const isOpen = this.#exchanges?.isOpen;
    if (isOpen !== undefined) return isOpen ? undefined : "between";
    return this.#now() - this.#movedAt >= QUIET_MS ? "quiet" : undefined;
  }

  /** Returns a meter that also tells this object what moves. */
  metered(meter: Meter): Meter {
    const moved = (): void => {
      this.#writes--;
      this.#movedAt = this.#now();
    };
    return {
      countIn: (bytes) => {
        moved();
        meter.countIn(bytes);
      },
      countOut: (bytes) => {
        moved();
        meter.countOut(bytes);
      },
      beginIn: (bytes) => {
        this.#writes++;
        meter.beginIn?.(bytes);
      },
      beginOut: (bytes) => {
        this.#writes++;
        meter.beginOut?.(bytes);
      },
    };
  }
}

/** The state of a connection that may end. */
export type Rest = "between" | "quiet";

/** Options of {@linkcode Activity}. */
export interface ActivityOptions {
  /** Set for a connection whose requests ngrokd reads. */
  readonly exchanges?: OpenExchanges | undefined;
  /** Returns the monotonic time in milliseconds. */
  readonly now?: () => number;
}
