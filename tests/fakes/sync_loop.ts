import assert from "node:assert/strict";
import { type Discovery, isSameList, type ListedEndpoints } from "../../src/model/discovery.ts";
import { SyncLoop, type SyncLoopOptions } from "../../src/sync/loop.ts";
import type { RoundSettings } from "../../src/sync/round.ts";
import { endpoints } from "./endpoints.ts";
import { type FakeClock, fakeClock } from "./fake_clock.ts";
import { FakeWorld, NOTHING_SAVED, roundSettings } from "./sync_effects.ts";

/** A signal that never aborts. */
export const NEVER: AbortSignal = new AbortController().signal;

/**
 * The outcome of one poll: a list, none because there is no key, a failure, or the function that
 * polls.
 */
export type Answer =
  | ListedEndpoints
  | undefined
  | Error
  | ((signal: AbortSignal) => Promise<ListedEndpoints | undefined>);

/** A poll that lists endpoints with these URLs. */
export function found(...urls: string[]): ListedEndpoints {
  return { endpoints: endpoints(...urls), refused: [], pages: 1 };
}

/** A TestLoop that runs in faked time. */
export interface Running extends Pick<TestLoop, "loop" | "polls" | "world"> {
  readonly clock: FakeClock;
  /** Stops the loop before the test ends. */
  readonly stop: () => void;
}

/**
 * A SyncLoop on a fake machine. Its polls give the answers in turn, and then the last one again and
 * again.
 */
export class TestLoop {
  readonly world = new FakeWorld();
  /** The settings of the next round. */
  settings: RoundSettings = roundSettings();
  readonly answers: Answer[];
  /** The time of each poll, `performance.now()` in milliseconds. */
  readonly polls: number[] = [];
  readonly loop: SyncLoop;
  #last: Discovery | undefined;

  constructor(answers: readonly Answer[], options: Partial<SyncLoopOptions> = {}) {
    this.answers = [...answers];
    this.loop = new SyncLoop({
      poll: (signal) => this.#poll(signal),
      effects: this.world,
      saved: NOTHING_SAVED,
      // A new object each time: nothing may depend on its identity.
      settings: () => ({ ...this.settings }),
      intervalMs: () => 30_000,
      random: () => 0.5,
      ...options,
    });
  }

  /**
   * Runs the loop in faked time until the test ends. It must then stop without any time passing,
   * and leave no timer behind. `now` is the date at the start.
   */
  async run(test: (running: Running) => Promise<void>, options: { now?: number } = {}): Promise<void> {
    using clock = fakeClock(options.now);
    const { loop, polls, world } = this;
    const stopping = new AbortController();
    const stop = (): void => stopping.abort();
    const running = loop.run(stopping.signal);
    try {
      await clock.pass(0);
      await test({ clock, stop, loop, polls, world });
    } finally {
      stop();
    }
    await running;
    assert.equal(clock.timers(), 0);
  }

  async #poll(signal: AbortSignal): Promise<Discovery | undefined> {
    this.polls.push(Math.round(performance.now()));
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    if (answer instanceof Error) throw answer;
    const list = typeof answer === "function" ? await answer(signal) : answer;
    if (list === undefined) return undefined;
    const last = this.#last;
    const revision = last === undefined ? 1 : last.revision + (isSameList(list, last) ? 0 : 1);
    return this.#last = { ...list, revision };
  }
}
