import { getLogger } from "@logtape/logtape";
import { demandedDelay } from "../cloud/key_refused.ts";
import { Attempts } from "../lib/attempts.ts";
import { formatCidr } from "../lib/ipv4.ts";
import { Mutex } from "../lib/mutex.ts";
import type { Endpoint, RefusedEndpoint } from "../model/endpoint.ts";
import { ApiError, hintOf, messageOf } from "../model/errors.ts";
import type { ApiState } from "../model/report.ts";
import { sleep } from "../system/clock.ts";
import type { RoundEffects, SavedState } from "./effects.ts";
import type { Discovery } from "../model/discovery.ts";
import { EmptyListDoubt } from "./empty_list.ts";
import { apiStateOf, nextPollDelay } from "./pace.ts";
import { type EndpointOutcome, type RoundInput, runRound } from "./round.ts";
import { RoundLog } from "./round_log.ts";
import { type CompleteRound, isIdle, settingsKey } from "./idle_round.ts";

const log = getLogger(["ngrokd", "sync"]);

/** The longest time that a timer can take; it fires at once for a longer one. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What the loop is made of. */
export interface SyncLoopOptions {
  /** Asks the cloud; registers first if need be. Undefined while there is no API key. @throws {ApiError} */
  readonly poll: (signal: AbortSignal) => Promise<Discovery | undefined>;
  readonly effects: RoundEffects;
  readonly saved: SavedState;
  readonly settings: () => RoundInput["settings"];
  readonly intervalMs: () => number;
  /** How long until a poll of so many pages is within the API's rate limit, in milliseconds. @default {() => 0} */
  readonly readyInMs?: (pages: number) => number;
  /** @default {Math.random} */
  readonly random?: () => number;
}

/** How the last poll went. */
export interface PollStatus {
  readonly state: ApiState;
  /** Milliseconds since the epoch. */
  readonly lastPoll?: number;
  readonly error?: string;
  readonly hint?: string;
  /** What is unusual about a poll that went well. */
  readonly notice?: string;
}

/** The control path: poll → (round: allocate → diff → reconcile → persist) → wait, until it is stopped. */
export class SyncLoop {
  readonly #options: SyncLoopOptions;
  readonly #mutex = new Mutex();
  #saved: SavedState;
  /** Undefined until a poll, of this run or an earlier one, has given a list. */
  #known: readonly Endpoint[] | undefined;
  #refused: readonly RefusedEndpoint[] = [];
  /** The revision of both; 0 for the list of an earlier run. */
  #revision = 0;
  #outcomes: readonly EndpointOutcome[] = [];
  #allRefused: readonly RefusedEndpoint[] = [];
  #lastComplete: CompleteRound | undefined;
  #status: PollStatus = { state: "never" };
  #roundError: string | undefined;
  readonly #log = new RoundLog();
  readonly #doubt = new EmptyListDoubt();
  #failures = 0;
  #lastError: unknown;
  #pages = 1;
  /** The poll that is being made, if nothing has changed since it began. */
  #polling: Promise<void> | undefined;
  readonly #attempts = new Attempts();
  #nudge = Promise.withResolvers<void>();
  #wake = Promise.withResolvers<void>();
  /** How many polls were made because somebody asked for one. */
  #pollsAsked = 0;
  /** Ends the wait that runs, if one does: a promise that is never renewed would keep something of each wait. */
  #endWait: (() => void) | undefined;
  /**
   * Until when the API wants to be left alone. By the clock that stands still in sleep: a clock that was set cannot be told from sleep,
   * and must not cut this short.
   */
  #notBefore = -Infinity;
  #stop: AbortSignal | undefined;

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#saved = options.saved;
    this.#known = options.saved.endpoints;
  }

  /**
   * Runs until the signal aborts; no round begins after that, whoever asks, and none is left when this ends. What was known at the last
   * run listens before the first poll, so that a start offline serves.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#stop = signal;
    if (this.#known !== undefined) await this.reconcile();
    while (!signal.aborted) {
      await this.#untilReady(signal);
      // A nudge until now is answered by this poll; one that comes later is not.
      this.#nudge = Promise.withResolvers<void>();
      this.#wake = Promise.withResolvers<void>();
      await this.#sharedPoll(signal);
      if (signal.aborted) break;
      await this.#untilNextPoll(signal);
    }
    await this.#mutex.run(() => Promise.resolve());
  }

  /**
   * One poll and one round, or the end of those that run if they began after the last nudge. Nothing is waited for while the API's rate
   * limit does not allow a poll: it follows as soon as it does, and this gives false. Never throws: what went wrong is in {@linkcode status}.
   */
  async poll(signal: AbortSignal): Promise<boolean> {
    if (this.#polling === undefined && this.#readyInMs() > 0) {
      this.nudge();
      return false;
    }
    await this.#sharedPoll(this.#stop ?? signal);
    this.#pollsAsked++;
    this.#endWait?.();
    return true;
  }

  /** The time that the last poll calls for, whoever asked for it: with a new key the five minutes of the old one are over. */
  async #untilNextPoll(signal: AbortSignal): Promise<void> {
    let asked: number;
    do {
      asked = this.#pollsAsked;
      const delay = nextPollDelay({
        intervalMs: this.#options.intervalMs(),
        failures: this.#failures,
        error: this.#lastError,
        pages: this.#pages,
        ...(this.#options.random === undefined ? {} : { random: this.#options.random }),
      });
      await this.#wait(delay, { signal, asked });
    } while (asked !== this.#pollsAsked && !signal.aborted);
  }

  async #sharedPoll(signal: AbortSignal): Promise<void> {
    const polling = this.#polling ??= this.#poll(signal);
    await polling;
    if (this.#polling === polling) this.#polling = undefined;
  }

  async #poll(signal: AbortSignal): Promise<void> {
    if (!await this.#askUnlessWoken(signal)) {
      await this.#untilReady(signal);
      // To its end: in a network that changes all the time a long list would never come to it.
      await this.#ask(signal);
    }
    if (!signal.aborted) await this.reconcile();
  }

  async #askUnlessWoken(signal: AbortSignal): Promise<boolean> {
    using attempt = this.#attempts.begin(signal);
    return await this.#ask(attempt.signal);
  }

  /** False if the signal aborted before there was an answer. */
  async #ask(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    try {
      const found = await this.#options.poll(signal);
      if (found === undefined) {
        this.#status = { state: "no_key" };
      } else {
        this.#succeed(found);
      }
    } catch (error) {
      // An answer that demands to be left alone counts all the same.
      if (signal.aborted && demandedDelay(error) === 0) return false;
      this.#fail(error);
    }
    return true;
  }

  /** One round with the endpoints that are known: after a change of the settings, or to repair what was changed under us. */
  reconcile(): Promise<void> {
    return this.#mutex.run(async () => {
      // While they are restored, the addresses may have to move to another subnet.
      if (await this.#round() === "moved") await this.#round();
    });
  }

  async #round(): Promise<"moved" | void> {
    if (this.#stop?.aborted) return;
    try {
      const input = {
        endpoints: this.#known,
        refused: this.#refused,
        saved: this.#saved,
        settings: this.#options.settings(),
      };
      const { effects } = this.#options;
      const now = { revision: this.#revision, settings: settingsKey(input.settings) };
      if (this.#lastComplete !== undefined && await isIdle(this.#lastComplete, { ...now, effects })) {
        return this.#noteRoundError(undefined);
      }
      this.#lastComplete = undefined;
      const done = await runRound(input, effects);
      if (done.applied !== undefined) this.#lastComplete = { ...now, applied: done.applied };
      this.#saved = done.saved;
      this.#outcomes = done.endpoints;
      this.#allRefused = done.refused;
      const gone = this.#log.report(done.endpoints, done.refused);
      if (gone.length > 0) effects.listeners.forget(gone);
      this.#noteRoundError(done.saveError);
      if (formatCidr(this.#options.settings().subnet) !== formatCidr(input.settings.subnet)) return "moved";
    } catch (error) {
      this.#noteRoundError(error);
    }
  }

  /** A state file that cannot be written, or a fault of our own, must not end the loop: the next round tries again. */
  #noteRoundError(error: unknown): void {
    const hint = hintOf(error);
    const message = error === undefined ? undefined : messageOf(error);
    const whole = message === undefined || hint === undefined ? message : `${message} (${hint})`;
    if (whole !== undefined && whole !== this.#roundError) {
      log.error("Cannot finish a round: {error}", { error: message, hint });
    }
    this.#roundError = whole;
  }

  /** Polls at once instead of at the end of the interval. */
  nudge(): void {
    // What is being asked may be answered by what was true before.
    this.#polling = undefined;
    this.#nudge.resolve();
  }

  /**
   * The network may have changed: a poll that is under way is broken off and made anew, for it may hang in a connection that is dead. If
   * there is none, one is made as soon as the API's last answer allows it.
   */
  wake(): void {
    if (this.#attempts.breakOff() === 0) this.#wake.resolve();
  }

  /** Whether the first poll has ended, well or not. */
  get settled(): boolean {
    return this.#status.state !== "never" && this.#status.state !== "no_key";
  }

  get status(): PollStatus {
    return this.#status;
  }

  /** Why the last round could not be finished; undefined if it was. */
  get roundError(): string | undefined {
    return this.#roundError;
  }

  get outcomes(): readonly EndpointOutcome[] {
    return this.#outcomes;
  }

  get refused(): readonly RefusedEndpoint[] {
    return this.#allRefused;
  }

  #succeed(found: Discovery): void {
    const kept = this.#known?.length ?? 0;
    const isDoubted = this.#doubt.doubts(found, kept);
    if (isDoubted) {
      log.warn("The API lists {what}: those that are known are kept until the next poll agrees", {
        what: lacking(found),
        kept,
      });
    } else {
      this.#known = found.endpoints;
      this.#refused = found.refused;
      this.#revision = found.revision;
    }
    this.#pages = found.pages;
    if (this.#failures > 0) log.info("The API answers again", { failures: this.#failures });
    this.#failures = 0;
    this.#lastError = undefined;
    this.#notBefore = -Infinity;
    this.#status = {
      state: "ok",
      lastPoll: Date.now(),
      ...(isDoubted
        ? { notice: `it lists ${lacking(found)}; the ${kept} known ones are kept until the next poll agrees` }
        : {}),
    };
  }

  #fail(error: unknown): void {
    this.#failures++;
    this.#doubt.forget();
    this.#lastError = error;
    this.#notBefore = performance.now() + demandedDelay(error);
    const state = apiStateOf(error);
    const message = messageOf(error);
    const hint = hintOf(error);
    if (this.#status.error !== message) {
      const code = error instanceof ApiError ? error.code : "";
      log.error("Cannot poll the API: {error}", {
        error: message,
        code,
        hint,
        keeping: this.#known?.length ?? 0,
      });
    }
    const { lastPoll } = this.#status;
    this.#status = {
      state,
      error: message,
      ...(hint === undefined ? {} : { hint }),
      ...(lastPoll === undefined ? {} : { lastPoll }),
    };
  }

  #readyInMs(): number {
    return this.#options.readyInMs?.(this.#pages) ?? 0;
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    const ms = this.#readyInMs();
    if (ms > 0) await sleep(ms, { signal }).catch(() => {});
  }

  async #wait(ms: number, options: { signal: AbortSignal; asked: number }): Promise<void> {
    const { signal, asked } = options;
    const end = performance.now() + ms;
    if (await this.#timer(ms, { signal, early: this.#wake.promise })) return;
    // Between the two nobody ends a wait.
    if (asked !== this.#pollsAsked) return;
    await this.#timer(Math.min(end, this.#notBefore) - performance.now(), { signal });
  }

  /** True once the time is over, a nudge came, a poll was made or the signal aborted; false if `early` was first. */
  async #timer(ms: number, options: { signal: AbortSignal; early?: Promise<void> }): Promise<boolean> {
    const { signal, early } = options;
    if (ms <= 0 || signal.aborted) return true;
    const over = Promise.withResolvers<boolean>();
    const onOver = (): void => over.resolve(true);
    const id = setTimeout(onOver, Math.min(ms, MAX_TIMER_MS));
    signal.addEventListener("abort", onOver, { once: true });
    void this.#nudge.promise.then(onOver);
    this.#endWait = onOver;
    void early?.then(() => over.resolve(false));
    const isOver = await over.promise;
    this.#endWait = undefined;
    clearTimeout(id);
    signal.removeEventListener("abort", onOver);
    return isOver;
  }
}

function lacking({ endpoints, refused }: Discovery): string {
  const count = endpoints.length + refused.length;
  return count === 0 ? "no endpoints" : `${count} endpoints and an empty page`;
}
