import type { Meter } from "./pipe.ts";
import type { OpenExchanges } from "./http/open_exchanges.ts";

/** The time without traffic after which a connection of an unknown protocol is idle. */
const QUIET_MS = 5_000;
/**
 * The same if the last byte came from the client, which may wait for an answer. It need not wait:
 * HTTP/2 clients acknowledge what they have received.
 */
const WAITING_MS = 30_000;

/** Follows the traffic of one connection, to tell if it can end without a loss. */
export class Activity {
  readonly #exchanges: OpenExchanges | undefined;
  readonly #now: () => number;
  #movedAt: number;
  /** True if the client sent the last byte, and so may wait for an answer. */
  #awaitsAnswer = false;
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
    const idleMs = this.#awaitsAnswer ? WAITING_MS : QUIET_MS;
    return this.#now() - this.#movedAt >= idleMs ? "quiet" : undefined;
  }

  /** Returns a meter that also tells this object what moves. */
  metered(meter: Meter): Meter {
    const moved = (isFromClient: boolean): void => {
      this.#writes--;
      this.#movedAt = this.#now();
      this.#awaitsAnswer = isFromClient;
    };
    return {
      countIn: (bytes) => {
        moved(true);
        meter.countIn(bytes);
      },
      countOut: (bytes) => {
        moved(false);
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
