import { getLogger } from "@logtape/logtape";
import { isSameCidr } from "../lib/ipv4.ts";
import { Mutex } from "../lib/mutex.ts";
import { OnChange } from "../lib/on_change.ts";
import type { Endpoint } from "../model/endpoint.ts";
import { hintOf, messageOf, withHint } from "../model/errors.ts";
import type { Refusals } from "../model/refused.ts";
import type { RoundEffects, SavedState } from "./effects.ts";
import { type CompleteRound, isIdle, settingsKey } from "./idle_round.ts";
import { type EndpointOutcome, type KnownEndpoints, type RoundSettings, runRound } from "./round.ts";
import { RoundLog } from "./round_log.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Runs one round at a time, and keeps the outcome of the last. A round never rejects. */
export class RoundRunner {
  /** The endpoints that the last round served, or could not serve. */
  outcomes: readonly EndpointOutcome[] = [];
  /** The endpoints that the last round refused. */
  refusals: Required<Refusals> = { refused: [], refusedMore: 0 };
  /** The revision of the list that the last round served; undefined if there was no list yet. */
  servedRevision: number | undefined;
  /** The reason why the last round could not be finished; undefined if it was. */
  error: string | undefined;
  readonly #options: RoundRunnerOptions;
  readonly #mutex = new Mutex();
  readonly #log = new RoundLog();
  readonly #loggedError = new OnChange();
  #saved: SavedState;
  #lastComplete: CompleteRound | undefined;

  constructor(options: RoundRunnerOptions) {
    this.#options = options;
    this.#saved = options.saved;
  }

  /** Runs a round after those that run. There is none if `known` returns undefined. */
  run(known: () => KnownEndpoints | undefined): Promise<void> {
    return this.#mutex.run(async () => {
      if (await this.#round(known())) await this.#round(known());
    });
  }

  /** Runs a task after the rounds that run, and before the next. */
  between<T>(task: () => Promise<T>): Promise<T> {
    return this.#mutex.run(task);
  }

  /** Returns true if the addresses had to move to another subnet, which needs another round. */
  async #round(known: KnownEndpoints | undefined): Promise<boolean> {
    if (known === undefined) return false;
    const { effects, settings, prepare } = this.#options;
    try {
      await prepare?.(known.endpoints ?? []);
      const input = { ...known, saved: this.#saved, settings: settings() };
      const now = { revision: known.revision, settings: settingsKey(input.settings) };
      if (this.#lastComplete !== undefined && await isIdle(this.#lastComplete, { ...now, effects })) {
        this.#setError(undefined);
        return false;
      }
      this.#lastComplete = undefined;
      const done = await runRound(input, effects);
      if (done.applied !== undefined) this.#lastComplete = { ...now, applied: done.applied };
      this.#saved = done.saved;
      this.outcomes = done.endpoints;
      if (known.endpoints !== undefined) this.servedRevision = known.revision;
      const { refused, refusedMore } = done;
      this.refusals = { refused, refusedMore };
      const gone = this.#log.report(done.endpoints, this.refusals);
      if (gone.length > 0) effects.listeners.forget(gone);
      this.#setError(done.saveError);
      return !isSameCidr(settings().subnet, input.settings.subnet);
    } catch (error) {
      this.#setError(error);
      return false;
    }
  }

  #setError(error: unknown): void {
    const hint = hintOf(error);
    const message = error === undefined ? undefined : messageOf(error);
    this.error = message === undefined ? undefined : withHint({ message, hint });
    this.#loggedError.report(
      this.error,
      () => log.error("Cannot finish a round: {error}", { error: message, hint }),
    );
  }
}

/** Options of {@linkcode RoundRunner}. */
export interface RoundRunnerOptions {
  readonly effects: RoundEffects;
  /** The state of the last run. */
  readonly saved: SavedState;
  /** Brings everything up to date that the settings of a round with these endpoints depend on. */
  readonly prepare?: (endpoints: readonly Endpoint[]) => Promise<void>;
  /** Returns the settings of the next round. */
  readonly settings: () => RoundSettings;
}
