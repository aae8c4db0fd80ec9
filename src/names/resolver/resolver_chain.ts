import { Mutex } from "../../lib/mutex.ts";
import type { Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";

/** The first of several resolvers that does its work; which one that is, is found out anew each time. */
export class ResolverChain implements Resolver {
  readonly #choices: readonly [Resolver, ...Resolver[]];
  readonly #turns = new Mutex();
  /** Those of which something may stand: an earlier run may have used any. */
  readonly #used: Set<Resolver>;
  #active: Resolver | undefined;
  #refusals: readonly string[] = [];

  /** `choices` in the order of preference. */
  constructor(choices: readonly [Resolver, ...Resolver[]]) {
    this.#choices = choices;
    this.#used = new Set(choices);
  }

  get kind(): string {
    return this.#active?.kind ?? "none";
  }

  get target(): string {
    return this.#active?.target ?? "";
  }

  get off(): string | undefined {
    if (this.#active !== undefined) return undefined;
    return this.reason ?? "No name needs our DNS server";
  }

  /** Why no resolver is used, or not one that comes before it in the order; undefined if it is the first. */
  get reason(): string | undefined {
    return this.#refusals.length === 0 ? undefined : this.#refusals.join("; ");
  }

  async observe(): Promise<ReadonlyMap<string, string> | undefined> {
    let known: ReadonlyMap<string, string> | undefined;
    for (const choice of this.#choices) {
      const seen = await choice.observe();
      if (seen !== undefined && seen.size > 0) return seen;
      known ??= seen;
    }
    return known;
  }

  apply(wish: ResolverRequest): Promise<ResolverOutcome> {
    if (wish.domains.length === 0) return this.withdraw();
    return this.#turns.run(() => this.#apply(wish));
  }

  withdraw(): Promise<ResolverOutcome> {
    return this.#turns.run(async () => {
      this.#active = undefined;
      this.#refusals = [];
      return await this.#withdrawFrom([...this.#used]);
    });
  }

  async #apply(wish: ResolverRequest): Promise<ResolverOutcome> {
    const failures: ResolverOutcome[] = [];
    let done: ResolverOutcome | undefined;
    let active: Resolver | undefined;
    for (const choice of this.#choices) {
      // Before: one that fails half way has left something behind.
      this.#used.add(choice);
      const outcome = await choice.apply(wish);
      if (outcome.problem === undefined) {
        [done, active] = [outcome, choice];
        break;
      }
      failures.push(outcome);
    }
    this.#active = active;
    this.#refusals = failures.map((failure) => failure.problem!);
    const changed = failures.some((failure) => failure.changed);
    const warnings = failures.flatMap((failure) => failure.warnings);
    if (done === undefined) {
      const hint = failures.map((failure) => failure.hint).findLast((text) => text !== undefined);
      return { changed, problem: this.reason, hint, refused: new Map(), warnings };
    }
    // The old one goes after the new one has come, so that somebody can always be asked.
    const left = await this.#withdrawFrom([...this.#used].filter((choice) => choice !== active));
    warnings.push(...done.warnings, ...left.warnings, ...(left.problem === undefined ? [] : [left.problem]));
    return { ...done, changed: changed || done.changed || left.changed, warnings };
  }

  async #withdrawFrom(choices: readonly Resolver[]): Promise<ResolverOutcome> {
    let all: ResolverOutcome = { changed: false, refused: new Map(), warnings: [] };
    for (const choice of choices.toReversed()) {
      const { changed, problem, hint, warnings } = await choice.withdraw();
      if (problem === undefined) this.#used.delete(choice);
      all = {
        ...all,
        changed: all.changed || changed,
        problem: all.problem ?? problem,
        hint: all.hint ?? hint,
        warnings: [...all.warnings, ...warnings],
      };
    }
    return all;
  }
}
