import { Lifecycle, type LifecycleResult } from "./lifecycle.ts";
import type { Tally } from "./report.ts";

const CLEAN_UP_LIMIT_MS = 2000;
const CONVERGE_LIMIT_MS = 5000;

/** System calls, or one of several pieces of all calls of a whole run. */
export type Calls = readonly string[] | { readonly piece: number; readonly of: number };

/** Kills the daemon after each of these system calls on its files, in a run of its own each. */
export async function sweep(calls: Calls, tally: Tally): Promise<void> {
  await using lifecycle = await Lifecycle.open();
  for (const call of await chosenCalls()) add(`killed after ${call}`, await lifecycle.killAfter(call));

  async function chosenCalls(): Promise<readonly string[]> {
    if (!("piece" in calls)) return calls;
    const whole = await lifecycle.run();
    add("a run without a kill", whole);
    return whole.calls.filter((call) => pieceOf(call, calls.of) === calls.piece);
  }

  function add(run: string, result: LifecycleResult): void {
    const { problems, cleanUpMs, restartMs } = result;
    tally.addRun(run, problems);
    tally.addFigure(run, { name: "clean-up", ms: cleanUpMs, limitMs: CLEAN_UP_LIMIT_MS });
    tally.addFigure(run, {
      name: "start until all names are served",
      ms: restartMs,
      limitMs: CONVERGE_LIMIT_MS,
    });
  }
}

/** The piece depends on the text of the call, because the order of calls varies from run to run. */
function pieceOf(call: string, of: number): number {
  return [...call].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % of;
}
