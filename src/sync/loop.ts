import { getLogger } from "@logtape/logtape";
import { demandedDelay } from "../cloud/api_key_refused.ts";
import { Attempts } from "../lib/attempts.ts";
import type { Discovery } from "../model/discovery.ts";
import type { Refusals } from "../model/refused.ts";
import type { ListSource } from "../model/report.ts";
import { sleep } from "../system/clock.ts";
import { EmptyListGuard, idsOf } from "./empty_list_guard.ts";
import { type PollReport, PollStatus } from "./poll_status.ts";
import { PollTimer } from "./poll_timer.ts";
import type { EndpointOutcome, KnownEndpoints } from "./round.ts";
import { RoundRunner, type RoundRunnerOptions } from "./round_runner.ts";

const log = getLogger(["ngrokd", "sync"]);

/** The control path: poll → round → wait, until it is stopped. */
export class SyncLoop {
  readonly #options: SyncLoopOptions;
  readonly #rounds: RoundRunner;
  readonly #status = new PollStatus();
  readonly #timer = new PollTimer();
  readonly #guard = new EmptyListGuard();
  readonly #attempts = new Attempts();
  #known: KnownEndpoints;
  /** The poll that runs, if nothing has changed since it began. */
  #polling: Promise<void> | undefined;
  #stop: AbortSignal | undefined;

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#rounds = new RoundRunner(options);
    this.#known = { endpoints: options.saved.endpoints, refused: [], revision: 0 };
  }

  /**
   * Runs until the signal aborts. No round begins after that, whoever asks for one, and none runs
   * when this ends. The endpoints of the last run are served before the first poll, so that a start
   * without a network works.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#stop = signal;
    if (this.#known.endpoints !== undefined) await this.reconcile();
    while (!signal.aborted) {
      await this.#untilReady(signal);
      this.#timer.reset();
      await this.#sharedPoll(signal);
      await this.#timer.wait(() => this.#next(), signal);
    }
    // Waits for the rounds that have begun.
    await this.reconcile();
  }

  /**
   * Polls and runs a round, or waits for the poll that runs if it began after the last
   * {@linkcode pollNow}. Returns false at once if the request budget does not allow a poll now; it
   * follows as soon as the budget does. Never rejects; {@linkcode status} has the error.
   */
  async poll(signal: AbortSignal): Promise<boolean> {
    if (this.#polling === undefined && this.#readyInMs() > 0) {
      this.pollNow();
      return false;
    }
    await this.#sharedPoll(this.#stop ?? signal);
    // After a poll with a new key the five minutes of the old one are over.
    this.#timer.restart();
    return true;
  }

  /** Runs a round with the known endpoints, for example after a change of the settings. */
  reconcile(): Promise<void> {
    return this.#rounds.run(() => this.#stop?.aborted ? undefined : this.#known);
  }

  /** Runs a task while no round runs, unless the daemon stops. */
  betweenRounds<T>(task: () => Promise<T>): Promise<T | undefined> {
    return this.#rounds.between(() => this.#stop?.aborted ? Promise.resolve(undefined) : task());
  }

  /** Polls at once instead of at the end of the interval. */
  pollNow(): void {
    // The response to the poll that runs may be older than the reason for this call.
    this.#polling = undefined;
    this.#timer.pollNow();
  }

  /**
   * Handles a possible change of network. A poll that runs is interrupted and repeated, for it may
   * hang in a dead connection. Otherwise a poll follows as soon as the API's last response allows
   * it.
   */
  wake(): void {
    if (this.#attempts.cancelAll() === 0) this.#timer.wake();
  }

  /** The source of the list that the last round served. */
  get list(): ListSource {
    const { servedRevision } = this.#rounds;
    if (servedRevision === undefined) return "none";
    return servedRevision === 0 ? "kept" : "fresh";
  }

  get status(): PollReport {
    return this.#status.report;
  }

  /** The reason why the last round could not be finished; undefined if it was. */
  get roundError(): string | undefined {
    return this.#rounds.error;
  }

  get outcomes(): readonly EndpointOutcome[] {
    return this.#rounds.outcomes;
  }

  get refusals(): Required<Refusals> {
    return this.#rounds.refusals;
  }

  async #sharedPoll(signal: AbortSignal): Promise<void> {
    const polling = this.#polling ??= this.#poll(signal);
    await polling;
    if (this.#polling === polling) this.#polling = undefined;
  }

  async #poll(signal: AbortSignal): Promise<void> {
    if (!await this.#tryInterruptible(signal)) {
      await this.#untilReady(signal);
      // Not interrupted: while the network changes all the time, a long list would never end.
      await this.#attempt(signal);
    }
    if (!signal.aborted) await this.reconcile();
  }

  async #tryInterruptible(signal: AbortSignal): Promise<boolean> {
    using attempt = this.#attempts.begin(signal);
    return await this.#attempt(attempt.signal);
  }

  /** Returns false if the signal aborted before there was a response. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    try {
      const found = await this.#options.poll(signal);
      if (found === undefined) this.#status.noKey();
      else this.#accept(found);
    } catch (error) {
      // A response with a Retry-After is a result even then.
      if (signal.aborted && demandedDelay(error) === 0) return false;
      this.#guard.reset();
      this.#status.fail(error, this.#known.endpoints?.length ?? 0);
    }
    return true;
  }

  #accept(found: Discovery): void {
    const { endpoints, refused, refusedMore = 0, revision, pages } = found;
    const { endpoints: known = [], refused: knownRefused } = this.#known;
    if (!this.#guard.shouldKeep(found, { endpoints: known, refused: knownRefused })) {
      this.#known = { endpoints, refused, refusedMore, revision };
      this.#status.succeed(pages, undefined);
      return;
    }
    const count = idsOf(found).size;
    const kept = idsOf({ endpoints: known, refused: knownRefused }).size;
    log.warn(
      "The API lists {count} of {known} known endpoints; keeping the known endpoints until a second poll confirms it",
      { count, known: kept },
    );
    this.#status.succeed(
      pages,
      `the API lists ${count} of ${kept} known endpoints; keeping the known endpoints until a second poll confirms it`,
    );
  }

  #next() {
    const { intervalMs, random } = this.#options;
    return this.#status.next({ intervalMs: intervalMs(), random });
  }

  #readyInMs(): number {
    return this.#options.readyInMs?.(this.#status.pages) ?? 0;
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    const ms = this.#readyInMs();
    if (ms <= 0) return;
    this.#status.wait(ms);
    await sleep(ms, { signal }).catch(() => {});
  }
}

/** Options of {@linkcode SyncLoop}. */
export interface SyncLoopOptions extends RoundRunnerOptions {
  /** Lists the endpoints; returns undefined while there is no API key. @throws {ApiError} */
  readonly poll: (signal: AbortSignal) => Promise<Discovery | undefined>;
  readonly intervalMs: () => number;
  /** The time until the request budget allows so many pages, in ms. @default {() => 0} */
  readonly readyInMs?: (pages: number) => number;
  /** @default {Math.random} */
  readonly random?: () => number;
}
