import { getLogger } from "@logtape/logtape";
import { backoffDelay } from "../../lib/backoff.ts";
import { DialError, type DialFailure } from "../../model/errors.ts";
import { limitTime } from "../../system/clock.ts";
import type { ByteStream } from "../../system/net.ts";
import { ConnectionSlots, type Slot } from "./connection_slots.ts";

const log = getLogger(["ngrokd", "forward"]);

/** The runtime does not close a connection in mid-handshake before its peer does: so many can be stuck at a silent ingress. */
const MAX_UNFINISHED = 64;
const FIRST_TRIAL_MS = 1_000;
const MAX_TRIAL_MS = 15_000;
/** What only the ingress itself, or whoever stands in its place, can make of a dial. */
const ANSWERS: ReadonlySet<DialFailure> = new Set(["refused", "reset", "untrusted", "handshake"]);

/** One dial as the gate lets it through. */
export interface GatedDial {
  readonly timeoutMs: number;
  /** Whether the ingress was silent, or has not answered over this network yet: the dial must not cost anything if it is silent. */
  readonly checkFirst: boolean;
}

/** Options of {@linkcode DialGate.pass}. */
export interface PassOptions {
  /** For the wait and the dial together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly dial: (options: GatedDial) => Promise<ByteStream>;
}

interface Silence {
  readonly target: string;
  readonly since: number;
  trials: number;
  /** When the next trial may begin; Infinity while one runs. */
  nextTrialAt: number;
  /** Whether all may try: it was another network that it was found on. */
  isLifted: boolean;
}

/** A dial, and what was true when it began. */
interface Begun {
  readonly network: number;
  readonly startedAt: number;
  /** The silence that it is the trial of. */
  readonly trial: Silence | undefined;
}

/**
 * Keeps the dials to an ingress that accepts connections and says nothing few: while it is silent, all but one trial per step fail at
 * once. Whatever it answers to a trial, it is not silent any more; a trial that never reached it says nothing.
 */
export class DialGate {
  readonly #unfinished = new ConnectionSlots(MAX_UNFINISHED);
  readonly #minMs: number;
  #lastHeard: { readonly target: string; readonly at: number } | undefined;
  #silence: Silence | undefined;
  /** How often the network has changed: what a dial over an earlier one comes to says nothing. */
  #network = 0;
  /** Whether a dial over this network was answered, or none has changed yet. */
  #isProven = true;

  /** A dial begins only if it has `minMs` milliseconds: with less, it would prove nothing. */
  constructor(minMs: number) {
    this.#minMs = minMs;
  }

  /**
   * Runs the dial to `target` (`host:port`).
   *
   * @throws {DialError} `timeout`, without a dial, if the ingress is silent or the time does not suffice; and what the dial throws.
   * @throws The signal's reason, if it aborts first.
   */
  async pass(target: string, options: PassOptions): Promise<ByteStream> {
    const { signal, dial } = options;
    const end = performance.now() + options.timeoutMs;
    this.#refuseIfSilent(target);
    using _slot = await this.#slot(target, options);
    const startedAt = performance.now();
    const timeoutMs = end - startedAt;
    if (timeoutMs < this.#minMs) throw late(target);
    const begun: Begun = { network: this.#network, startedAt, trial: this.#begin(target) };
    try {
      const stream = await dial({ timeoutMs, checkFirst: begun.trial !== undefined || !this.#isProven });
      this.#heard(target, begun);
      return stream;
    } catch (error) {
      const code = error instanceof DialError ? error.code : "other";
      // A trial that was broken off may be made anew at once; what failed on the way here is likely to fail again.
      if (signal.aborted) this.#inconclusive(begun, 0);
      else if (code === "timeout") this.#unheard(target, begun);
      else if (ANSWERS.has(code)) this.#heard(target, begun);
      else this.#inconclusive(begun, FIRST_TRIAL_MS);
      throw error;
    }
  }

  async #slot(target: string, options: PassOptions): Promise<Slot> {
    using limit = limitTime(options.timeoutMs, options);
    try {
      return await this.#unfinished.take(limit.signal);
    } catch (error) {
      throw limit.isOver ? late(target) : error;
    }
  }

  /**
   * The network may be another one: all dials may try again, and those that began before say nothing any more. Until one is answered each
   * is checked first, so that a network that changes for ever before a silent ingress costs no descriptors.
   */
  retryNow(): void {
    this.#network++;
    this.#isProven = false;
    this.#lastHeard = undefined;
    if (this.#silence !== undefined) this.#silence = { ...this.#silence, trials: 0, isLifted: true };
  }

  #silenceOf(target: string): Silence | undefined {
    return this.#silence?.target === target ? this.#silence : undefined;
  }

  #refuseIfSilent(target: string): void {
    const silence = this.#silenceOf(target);
    if (silence === undefined || silence.isLifted || performance.now() >= silence.nextTrialAt) return;
    const seconds = Math.round((performance.now() - silence.since) / 1000);
    throw new DialError(`Cannot connect to ${target}: it has not answered for ${seconds} s`, {
      code: "timeout",
      hint: "Check this machine's network and ingressEndpoint; one connection is tried every few seconds",
    });
  }

  /** The silence that this dial is the trial of, if there is one. */
  #begin(target: string): Silence | undefined {
    this.#refuseIfSilent(target);
    const silence = this.#silenceOf(target);
    if (silence === undefined || silence.isLifted) return undefined;
    silence.nextTrialAt = Infinity;
    return silence;
  }

  #heard(target: string, { network }: Begun): void {
    if (network !== this.#network) return;
    this.#isProven = true;
    this.#lastHeard = { target, at: performance.now() };
    if (this.#silenceOf(target) === undefined) return;
    this.#silence = undefined;
    log.info("The ingress {target} answers again", { target });
  }

  #unheard(target: string, { network, startedAt, trial }: Begun): void {
    if (network !== this.#network) return;
    const silence = this.#silenceOf(target);
    const now = performance.now();
    if (silence === undefined) {
      // Another dial was answered meanwhile: of several machines behind the name one is silent, or one packet was lost.
      if (this.#lastHeard?.target === target && this.#lastHeard.at > startedAt) return;
      const nextTrialAt = now + FIRST_TRIAL_MS;
      this.#silence = { target, since: startedAt, trials: 0, nextTrialAt, isLifted: false };
      log.warn("The ingress {target} does not answer: connections fail at once until it does", { target });
    } else if (silence.isLifted) {
      silence.isLifted = false;
      silence.nextTrialAt = now + FIRST_TRIAL_MS;
    } else if (trial === silence) {
      silence.trials++;
      silence.nextTrialAt = now +
        backoffDelay(silence.trials + 1, { baseMs: FIRST_TRIAL_MS, maxMs: MAX_TRIAL_MS });
    }
  }

  /** The dial says nothing of the ingress. If it was a trial, the next one may begin after `pauseMs`. */
  #inconclusive({ trial }: Begun, pauseMs: number): void {
    if (trial !== undefined) trial.nextTrialAt = performance.now() + pauseMs;
  }
}

function late(target: string): DialError {
  return new DialError(`Cannot connect to ${target}: the dials before this one have taken all its time`, {
    code: "timeout",
    hint: "Check this machine's network and ingressEndpoint",
  });
}
