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
    const text = this.#change();
    if (text !== undefined) this.#pending = { text, firstAt: this.#pending?.firstAt ?? now };
    const pending = this.#pending;
    if (pending === undefined || now - this.#lastAt < PAUSE_MS) return;
    const isStill = text === undefined;
    if (!isStill && now - pending.firstAt < MAX_SETTLE_MS) return;
    log.info("Detected a wake: {change}; polling the API, checking the listeners and the ingress", {
      change: pending.text,
    });
    this.#pending = undefined;
    this.#lastAt = now;
    this.#options.onWake();
  }

  #change(): string | undefined {
    const lead = this.#wallMs() - this.#steadyMs();
    const jumpMs = lead - this.#lead;
    this.#lead = lead;
    const networks = this.#readNetworks();
    const isOther = networks !== this.#networks;
    this.#networks = networks;
    if (Math.abs(jumpMs) >= MIN_JUMP_MS) {
      return jumpMs > 0
        ? `this machine slept or its clock was set forward (${Math.round(jumpMs / 1000)} s)`
        : `the clock was set back (${Math.round(-jumpMs / 1000)} s)`;
    }
    return isOther ? "the addresses of this machine have changed" : undefined;
  }

  #readNetworks(): string {
    try {
      return this.#options.networks().join();
    } catch {
      // Networks that cannot be read count as unchanged.
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
  readonly text: string;
  /** The time of the first change since the last wake. */
  readonly firstAt: number;
}
