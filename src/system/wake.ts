import { getLogger } from "@logtape/logtape";
import { sleep } from "./clock.ts";

const log = getLogger(["ngrokd", "daemon"]);

const LOOK_MS = 2_000;
/** A busy machine is late by less; NTP corrects by less. */
const MIN_JUMP_MS = 10_000;
/** A network that changes goes on changing for a while: it is waited for until it stands still for one look, but no longer than this. */
const MAX_UNREST_MS = 8_000;
/** An interface that comes and goes must not use up the API's rate limit. */
const PAUSE_MS = 10_000;

/** What {@linkcode Wake} needs. */
export interface WakeOptions {
  /** What tells this machine's network from another one. */
  readonly networks: () => readonly string[];
  /** Polls, looks at the listeners, and dials the ingress anew. */
  readonly onWake: () => void;
  /** @default {2_000} */
  readonly everyMs?: number;
  /** Milliseconds since the epoch, which jump when the machine slept or the clock was set. @default {Date.now} */
  readonly wallMs?: () => number;
  /** Milliseconds that stand still while the machine sleeps. @default {performance.now} */
  readonly steadyMs?: () => number;
}

interface Change {
  readonly text: string;
  /** When the first of those that were not acted upon was seen. */
  readonly firstAt: number;
}

/** Notices that this machine slept, that its clock was set, or that its network is another one: within some 10 s, at most once per 10 s. */
export class Wake {
  readonly #options: WakeOptions;
  readonly #wallMs: () => number;
  readonly #steadyMs: () => number;
  #lead: number;
  #networks: string;
  #pending: Change | undefined;
  #lastAt = -Infinity;

  constructor(options: WakeOptions) {
    this.#options = options;
    this.#wallMs = options.wallMs ?? Date.now;
    this.#steadyMs = options.steadyMs ?? (() => performance.now());
    this.#lead = this.#wallMs() - this.#steadyMs();
    this.#networks = this.#readNetworks();
  }

  /** Looks at intervals until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { everyMs = LOOK_MS } = this.#options;
    while (!signal.aborted) {
      await sleep(everyMs, { signal }).catch(() => {});
      if (!signal.aborted) this.#look();
    }
  }

  #look(): void {
    const now = this.#steadyMs();
    const text = this.#change();
    if (text !== undefined) this.#pending = { text, firstAt: this.#pending?.firstAt ?? now };
    const pending = this.#pending;
    if (pending === undefined || now - this.#lastAt < PAUSE_MS) return;
    const isStill = text === undefined;
    if (!isStill && now - pending.firstAt < MAX_UNREST_MS) return;
    log.info("{change}: the API is asked, listeners are checked, and the ingress is dialled anew", {
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
        ? `This machine slept or its clock was set forward (${Math.round(jumpMs / 1000)} s)`
        : `The clock was set back (${Math.round(-jumpMs / 1000)} s)`;
    }
    return isOther ? "The addresses of this machine have changed" : undefined;
  }

  #readNetworks(): string {
    try {
      return this.#options.networks().join();
    } catch {
      // What cannot be read has not changed.
      return this.#networks ?? "";
    }
  }
}
