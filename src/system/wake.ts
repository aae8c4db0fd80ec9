import { getLogger } from "@logtape/logtape";
import { sleep } from "./clock.ts";

const log = getLogger(["ngrokd", "system"]);

const CHECK_MS = 2_000;
/** More than the delays of a busy machine and the corrections of NTP. */
const MIN_JUMP_MS = 10_000;
/** The longest wait for a changing network to settle. */
const MAX_SETTLE_MS = 8_000;
/**
 * The shortest time between two wakes, so that a flapping interface does not use up the request
 * budget.
 */
const PAUSE_MS = 10_000;

/**
 * Detects that this machine slept, that its clock was set, or that its network changed: within
 * about 10 s, at most once in 10 s.
 */
export class Wake {
  readonly #options: WakeOptions;
  readonly #wallMs: () => number;
  readonly #steadyMs: () => number;
  #lead: number;
  #networks: string;
  #pending: PendingWake | undefined;
  #lastAt = -Infinity;

  constructor(options: WakeOptions) {
    this.#options = options;
    this.#wallMs = options.wallMs ?? Date.now;
    this.#steadyMs = options.steadyMs ?? (() => performance.now());
    this.#lead = this.#wallMs() - this.#steadyMs();
    this.#networks = this.#readNetworks();
  }

  /** Checks at intervals until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { everyMs = CHECK_MS } = this.#options;
    while (!signal.aborted) {
      await sleep(everyMs, { signal }).catch(() => {});
      if (!signal.aborted) this.#check();
    }
  }

  #check(): void {
    const now = this.#steadyMs();
    const logChange = this.#detectChange();
    if (logChange !== undefined) this.#pending = { logChange, firstAt: this.#pending?.firstAt ?? now };
    const pending = this.#pending;
    if (pending === undefined || now - this.#lastAt < PAUSE_MS) return;
    if (logChange !== undefined && now - pending.firstAt < MAX_SETTLE_MS) return;
    pending.logChange();
    this.#pending = undefined;
    this.#lastAt = now;
    this.#options.onWake();
  }

  /** Returns the function that logs the change; undefined if nothing has changed. */
  #detectChange(): (() => void) | undefined {
    const lead = this.#wallMs() - this.#steadyMs();
    const jumpMs = lead - this.#lead;
    this.#lead = lead;
    const networks = this.#readNetworks();
    const isOther = networks !== this.#networks;
    this.#networks = networks;
    const seconds = Math.round(Math.abs(jumpMs) / 1000);
    if (jumpMs >= MIN_JUMP_MS) {
      return () => log.info("This machine slept or its clock was set forward by {seconds} s", { seconds });
    }
    if (jumpMs <= -MIN_JUMP_MS) return () => log.info("The clock was set back by {seconds} s", { seconds });
    return isOther ? () => log.info("The addresses of this machine changed") : undefined;
  }

  #readNetworks(): string {
    try {
      return this.#options.networks().join();
    } catch {
      // If the networks cannot be read, nothing has changed.
      return this.#networks ?? "";
    }
  }
}

/** Options of {@linkcode Wake}. */
export interface WakeOptions {
  /** Returns the networks that this machine is connected to. */
  readonly networks: () => readonly string[];
  /** Called once for each wake. */
  readonly onWake: () => void;
  /** @default {2_000} */
  readonly everyMs?: number;
  /**
   * Milliseconds since the epoch, which jump when the machine slept or the clock was set.
   *
   * @default {Date.now}
   */
  readonly wallMs?: () => number;
  /** Milliseconds of a clock that stops while the machine sleeps. @default {performance.now} */
  readonly steadyMs?: () => number;
}

interface PendingWake {
  /** Logs the last change. */
  readonly logChange: () => void;
  /** The time of the first change since the last wake. */
  readonly firstAt: number;
}
