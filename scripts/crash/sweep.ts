import { Life, type LifeOutcome } from "./life.ts";
import type { Tally } from "./report.ts";

const CLEAN_UP_LIMIT_MS = 2000;
const CONVERGE_LIMIT_MS = 5000;

/** The calls to kill after: these, or each `of`-th of a whole life from number `from` on. */
export type Calls = readonly string[] | { readonly from: number; readonly of: number };

/** Kills the daemon after each of these system calls on its files, in a life of its own each. */
export async function sweep(calls: Calls, tally: Tally): Promise<void> {
  await using life = await Life.open();
  for (const call of await chosen()) take(`killed after ${call}`, await life.killAfter(call));

  async function chosen(): Promise<readonly string[]> {
    if (!("from" in calls)) return calls;
    const whole = await life.live();
    take("a whole life", whole);
    return whole.calls.filter((_call, index) => index % calls.of === calls.from);
  }

  function take(what: string, outcome: LifeOutcome): void {
    const { problems, cleanUpMs, restartMs } = outcome;
    tally.ran(what, problems);
    tally.measured(what, { name: "clean-up", ms: cleanUpMs, limitMs: CLEAN_UP_LIMIT_MS });
    tally.measured(what, { name: "start to all names", ms: restartMs, limitMs: CONVERGE_LIMIT_MS });
  }
}
