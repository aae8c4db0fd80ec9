import type { Machine } from "./machine.ts";
import type { Tally } from "./report.ts";

const REFUSE_LIMIT_MS = 2000;

/**
 * Starts two daemons at once, beside the socket that a killed one has left. Exactly one must keep
 * running, and the other must report the reason.
 */
export async function doubleStarts(
  machine: Machine,
  options: { pairs: number; tally: Tally },
): Promise<void> {
  const { pairs, tally } = options;
  for (let pair = 1; pair <= pairs; pair++) {
    const name = `pair ${pair}`;
    const problems: string[] = [];
    const both = [machine.start(), machine.start()];
    const ends = both.map((running, index) => running.ended.then((status) => ({ ...status, index })));
    const { code, signal, index } = await Promise.race(ends);
    const [refused, survivor] = [both[index]!, both[1 - index]!];
    const ms = performance.now() - refused.startedAt;
    tally.addFigure(name, { name: "start to refusal", ms, limitMs: REFUSE_LIMIT_MS });
    const log = refused.log.join("\n");
    if (code !== 1 || signal !== null || !/^Error: Cannot bind .*another ngrokd is/m.test(log)) {
      problems.push(`the first to end ended with ${signal ?? code}: ${log}`);
    }
    try {
      await survivor.until("the other one answers", () => machine.ask("status").then(() => true));
    } catch (error) {
      problems.push(String(error));
    }
    survivor.kill("SIGKILL");
    const status = await survivor.ended;
    if (status.signal !== "SIGKILL") problems.push(`both ended: ${survivor.log.join("\n")}`);
    tally.addRun(name, problems);
  }
  const { problems } = await machine.cleanUp();
  tally.addRun("clean-up", [...problems, ...await machine.leftovers.find()]);
}
