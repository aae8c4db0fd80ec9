import { getLogger } from "@logtape/logtape";
import { sleep } from "../system/clock.ts";

const log = getLogger(["ngrokd", "daemon"]);

const LOOK_MS = 2_000;
/** A busy machine is late by less; NTP corrects by less. */
const MIN_JUMP_MS = 10_000;
/** An interface that comes and goes must not use up the API's rate limit. */
const PAUSE_MS = 10_000;

/** What {@linkcode Wake} needs. */
export interface WakeOptions {
  /** The addresses of this machine that are not our own doing. */
  readonly addresses: () => readonly string[];
  /** Polls, looks at the listeners, and dials the ingress anew. */
  readonly onWake: () => void;
  /** Milliseconds since the epoch, which jump when the machine slept or the clock was set. @default {Date.now} */
  readonly wallMs?: () => number;
  /** Milliseconds that stand still while the machine sleeps. @default {performance.now} */
  readonly steadyMs?: () => number;
}

/** Notices that this machine slept, that its clock was set, or that its network is another one. */
export class Wake {
  readonly #options: WakeOptions;
  readonly #wallMs: () => number;
  readonly #steadyMs: () => number;
  #lead: number;
  #addresses: string;
  #pending: string | undefined;
  #lastAt = -Infinity;

  constructor(options: WakeOptions) {
    this.#options = options;
    this.#wallMs = options.wallMs ?? Date.now;
    this.#steadyMs = options.steadyMs ?? (() => performance.now());
    this.#lead = this.#wallMs() - this.#steadyMs();
    this.#addresses = this.#readAddresses();
  }

  /** Looks every two seconds until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(LOOK_MS, { signal }).catch(() => {});
      if (!signal.aborted) this.#look();
    }
  }

  #look(): void {
    const change = this.#change();
    // A network that changes goes on changing for a while: it is waited for until it stands still.
    if (change !== undefined) this.#pending = change;
    else if (this.#pending !== undefined && this.#steadyMs() - this.#lastAt >= PAUSE_MS) {
      log.info("{change}: the API is asked, listeners are checked, and the ingress is dialled anew", {
        change: this.#pending,
      });
      this.#pending = undefined;
      this.#lastAt = this.#steadyMs();
      this.#options.onWake();
    }
  }

  #change(): string | undefined {
    const lead = this.#wallMs() - this.#steadyMs();
    const jumpMs = lead - this.#lead;
    this.#lead = lead;
    const addresses = this.#readAddresses();
    const isOther = addresses !== this.#addresses;
    this.#addresses = addresses;
    if (Math.abs(jumpMs) >= MIN_JUMP_MS) {
      return jumpMs > 0
        ? `This machine slept or its clock was set forward (${Math.round(jumpMs / 1000)} s)`
        : `The clock was set back (${Math.round(-jumpMs / 1000)} s)`;
    }
    return isOther ? "The addresses of this machine have changed" : undefined;
  }

  #readAddresses(): string {
    try {
      return [...new Set(this.#options.addresses())].sort().join();
    } catch {
      // What cannot be read has not changed.
      return this.#addresses ?? "";
    }
  }
}
