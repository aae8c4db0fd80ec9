import { Life, type LifeOutcome } from "./life.ts";
import type { Tally } from "./report.ts";

const CLEAN_UP_LIMIT_MS = 2000;
const CONVERGE_LIMIT_MS = 5000;

/** The calls to kill after: these, or those of a whole life that belong to one of so many pieces. */
export type Calls = readonly string[] | { readonly piece: number; readonly of: number };

/** Kills the daemon after each of these system calls on its files, in a life of its own each. */
export async function sweep(calls: Calls, tally: Tally): Promise<void> {
  await using life = await Life.open();
  for (const call of await chosen()) take(`killed after ${call}`, await life.killAfter(call));

  async function chosen(): Promise<readonly string[]> {
    if (!("piece" in calls)) return calls;
    const whole = await life.live();
    take("a whole life", whole);
    return whole.calls.filter((call) => pieceOf(call, calls.of) === calls.piece);
  }

  function take(what: string, outcome: LifeOutcome): void {
    const { problems, cleanUpMs, restartMs } = outcome;
    tally.ran(what, problems);
    tally.measured(what, { name: "clean-up", ms: cleanUpMs, limitMs: CLEAN_UP_LIMIT_MS });
    tally.measured(what, { name: "start to all names", ms: restartMs, limitMs: CONVERGE_LIMIT_MS });
  }
}

/** By the name of the call: their order is not the same in each life. */
function pieceOf(call: string, of: number): number {
  return [...call].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % of;
}
