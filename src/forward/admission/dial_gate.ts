import { getLogger } from "@logtape/logtape";
import { backoffDelay } from "../../lib/backoff.ts";
import { DialError, type DialFailure } from "../../model/errors.ts";
import type { ByteStream } from "../../system/byte_stream.ts";
import { limitTime } from "../../system/clock.ts";
import { ConnectionSlots, type Slot } from "./connection_slots.ts";

const log = getLogger(["ngrokd", "forward"]);

/**
 * The runtime cannot close a connection in the middle of its handshake. This limits how many
 * descriptors a silent ingress can hold.
 */
const MAX_HANDSHAKES = 64;
const FIRST_TRIAL_MS = 1_000;
const MAX_TRIAL_MS = 15_000;
/** Silent ingresses that are remembered; the API can name another one at any time. */
const MAX_SILENCES = 8;
/** Failures that show that something at the ingress's address answered. */
const ANSWERS: ReadonlySet<DialFailure> = new Set(["refused", "reset", "untrusted", "handshake"]);

/**
 * A circuit breaker for an ingress that accepts connections and then stays silent: while it is
 * silent, all dials fail at once except for one trial per step of the back-off. Any answer to a
 * trial ends the silence. A trial that did not reach the ingress changes nothing.
 */
export class DialGate {
  readonly #handshakes = new ConnectionSlots(MAX_HANDSHAKES);
  readonly #minMs: number;
  #lastAnswer: { readonly target: string; readonly at: number } | undefined;
  /** By target: an ingress and its substitute can be silent at once. */
  readonly #silences = new Map<string, Silence>();
  /** Counts changes of network. A dial over an earlier network proves nothing. */
  #network = 0;
  /** True if the ingress has answered over this network, or the network has never changed. */
  #isProven = true;

  /** A dial needs `minMs` milliseconds. With less time, a failure would prove nothing. */
  constructor(minMs: number) {
    this.#minMs = minMs;
  }

  /**
   * Runs the dial to `target` (`host:port`).
   *
   * @throws {DialError} Without a dial: `timeout` if the ingress is silent, `late` if the time is
   * too short. Else whatever the dial throws.
   * @throws The signal's reason, if it aborts first.
   */
  async pass(target: string, options: PassOptions): Promise<ByteStream> {
    const { signal, dial } = options;
    const end = performance.now() + options.timeoutMs;
    this.#refuseIfSilent(target);
    using _slot = await this.#slot(target, options);
    const startedAt = performance.now();
    const timeoutMs = end - startedAt;
    if (timeoutMs < this.#minMs) throw tooLate(target);
    const running: RunningDial = { network: this.#network, startedAt, trial: this.#begin(target) };
    try {
      const stream = await dial({ timeoutMs, checkFirst: running.trial !== undefined || !this.#isProven });
      this.#answered(target, running);
      return stream;
    } catch (error) {
      const code = error instanceof DialError ? error.code : "other";
      // An aborted trial may be repeated at once. A failure on this machine or on the way to the
      // ingress is likely to happen again.
      if (signal.aborted) this.#inconclusive(running, 0);
      else if (code === "timeout") this.#timedOut(target, running);
      else if (ANSWERS.has(code)) this.#answered(target, running);
      else this.#inconclusive(running, FIRST_TRIAL_MS);
      throw error;
    }
  }

  /**
   * Lets all dials try again, because the network may have changed. Dials that began before prove
   * nothing. Until the ingress answers, each dial checks first that it does: frequent changes of
   * network before a silent ingress must not use up descriptors.
   */
  retryNow(): void {
    this.#network++;
    this.#isProven = false;
    this.#lastAnswer = undefined;
    for (const [target, silence] of this.#silences) {
      this.#silences.set(target, { ...silence, trials: 0, isLifted: true });
    }
  }

  async #slot(target: string, options: PassOptions): Promise<Slot> {
    using limit = limitTime(options.timeoutMs, options);
    try {
      return await this.#handshakes.take(limit.signal, options.holder);
    } catch (error) {
      throw limit.isOver ? tooLate(target) : error;
    }
  }

  #refuseIfSilent(target: string): void {
    const silence = this.#silences.get(target);
    if (silence === undefined || silence.isLifted || performance.now() >= silence.nextTrialAt) return;
    const seconds = Math.round((performance.now() - silence.since) / 1000);
    throw new DialError(`Cannot connect to ${target}: it has not answered for ${seconds} s`, {
      code: "timeout",
      isLocal: true,
      hint: "Check this machine's network and ingressEndpoint; ngrokd retries every few seconds",
    });
  }

  /** Returns the silence that this dial tries to end. */
  #begin(target: string): Silence | undefined {
    this.#refuseIfSilent(target);
    const silence = this.#silences.get(target);
    if (silence === undefined || silence.isLifted) return undefined;
    silence.nextTrialAt = Infinity;
    return silence;
  }

  #answered(target: string, { network }: RunningDial): void {
    if (network !== this.#network) return;
    this.#isProven = true;
    this.#lastAnswer = { target, at: performance.now() };
    if (!this.#silences.delete(target)) return;
    log.info("Ingress {target} answers again", { target });
  }

  #timedOut(target: string, { network, startedAt, trial }: RunningDial): void {
    if (network !== this.#network) return;
    const silence = this.#silences.get(target);
    const now = performance.now();
    if (silence === undefined) {
      // Another dial was answered meanwhile: a packet was lost, or one of several machines behind
      // the name is silent.
      if (this.#lastAnswer?.target === target && this.#lastAnswer.at > startedAt) return;
      const nextTrialAt = now + FIRST_TRIAL_MS;
      if (this.#silences.size >= MAX_SILENCES) this.#silences.delete(this.#silences.keys().next().value!);
      this.#silences.set(target, { since: startedAt, trials: 0, nextTrialAt, isLifted: false });
      log.warn("Ingress {target} does not answer; connections fail at once until it does", { target });
    } else if (silence.isLifted) {
      silence.isLifted = false;
      silence.nextTrialAt = now + FIRST_TRIAL_MS;
    } else if (trial === silence) {
      silence.trials++;
      silence.nextTrialAt = now +
        backoffDelay(silence.trials + 1, { baseMs: FIRST_TRIAL_MS, maxMs: MAX_TRIAL_MS });
    }
  }

  /**
   * Records a dial that proves nothing about the ingress. If it was a trial, the next one may begin
   * after `pauseMs`.
   */
  #inconclusive({ trial }: RunningDial, pauseMs: number): void {
    if (trial !== undefined) trial.nextTrialAt = performance.now() + pauseMs;
  }
}

/** Options of {@linkcode DialGate.pass}. */
export interface PassOptions {
  /** The time limit of the wait and the dial together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** The endpoint or network that the dial is for; all take turns. @default One for all */
  readonly holder?: string | undefined;
  readonly dial: (options: GatedDial) => Promise<ByteStream>;
}

/** A dial that the gate has let through. */
export interface GatedDial {
  readonly timeoutMs: number;
  /** True if the ingress may be silent: the dial must not keep a descriptor if it is. */
  readonly checkFirst: boolean;
}

interface Silence {
  readonly since: number;
  trials: number;
  /** The earliest time of the next trial; Infinity while one runs. */
  nextTrialAt: number;
  /** True if all dials may try, because the silence was found over another network. */
  isLifted: boolean;
}

/** A dial and the state in which it began. */
interface RunningDial {
  readonly network: number;
  readonly startedAt: number;
  /** The silence that it is a trial of. */
  readonly trial: Silence | undefined;
}

function tooLate(target: string): DialError {
  return new DialError(`Cannot connect to ${target}: earlier dials used up the time limit`, {
    code: "late",
    isLocal: true,
    hint: "Check this machine's network and ingressEndpoint",
  });
}
