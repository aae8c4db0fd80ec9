import { getLogger } from "@logtape/logtape";
import { Mutex } from "../../lib/mutex.ts";
import { OnChange } from "../../lib/on_change.ts";
import type { Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";

const log = getLogger(["ngrokd", "names"]);

/** Several resolvers, of which the first that works is used; each request tries them again. */
export class ResolverChain implements Resolver {
  readonly #choices: readonly [Resolver, ...Resolver[]];
  readonly #mutex = new Mutex();
  readonly #onLeft = new OnChange();
  /** Those that may have changed something. An earlier run may have used any of them. */
  readonly #used: Set<Resolver>;
  #active: Resolver | undefined;
  #problems: readonly string[] = [];

  /** `choices` in the order of preference. */
  constructor(choices: readonly [Resolver, ...Resolver[]]) {
    this.#choices = choices;
    this.#used = new Set(choices);
  }

  get kind(): string {
    return this.#active?.kind ?? "none";
  }

  get label(): string {
    return this.#active?.label ?? "";
  }

  /** The problems of the preferred resolvers, or of all; undefined if the first one works. */
  get reason(): string | undefined {
    return this.#problems.length === 0 ? undefined : this.#problems.join("; ");
  }

  apply(request: ResolverRequest): Promise<ResolverOutcome> {
    if (request.domains.length === 0) return this.withdraw();
    return this.#mutex.run(() => this.#apply(request));
  }

  withdraw(): Promise<ResolverOutcome> {
    return this.#mutex.run(async () => {
      this.#active = undefined;
      this.#problems = [];
      return await this.#withdrawFrom([...this.#used]);
    });
  }

  async #apply(request: ResolverRequest): Promise<ResolverOutcome> {
    const failures: ResolverOutcome[] = [];
    let success: ResolverOutcome | undefined;
    let active: Resolver | undefined;
    for (const choice of this.#choices) {
      // A failed attempt may have changed something too, so this comes before it.
      this.#used.add(choice);
      const outcome = await choice.apply(request);
      if (outcome.problem === undefined) {
        [success, active] = [outcome, choice];
        break;
      }
      failures.push(outcome);
    }
    this.#active = active;
    this.#problems = failures.map((failure) => failure.problem!);
    const changed = failures.some((failure) => failure.changed);
    if (success === undefined) {
      const hint = failures.map((failure) => failure.hint).findLast((text) => text !== undefined);
      return { changed, problem: this.reason, hint, refused: new Map() };
    }
    // The old resolver is withdrawn after the new one works, so that names always resolve.
    const left = await this.#withdrawFrom([...this.#used].filter((choice) => choice !== active));
    this.#onLeft.report(left.problem, (error) => {
      log.warn("Problem with the earlier resolver: {error}", { error, hint: left.hint });
    });
    return { ...success, changed: changed || success.changed || left.changed };
  }

  async #withdrawFrom(choices: readonly Resolver[]): Promise<ResolverOutcome> {
    let all: ResolverOutcome = { changed: false, refused: new Map() };
    for (const choice of choices.toReversed()) {
      const { changed, problem, hint } = await choice.withdraw();
      if (problem === undefined) this.#used.delete(choice);
      all = {
        ...all,
        changed: all.changed || changed,
        problem: all.problem ?? problem,
        hint: all.hint ?? hint,
      };
    }
    return all;
  }
}
