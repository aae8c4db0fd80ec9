import { kill, type Machine, until } from "./machine.ts";
import type { Tally } from "./report.ts";

const REFUSE_LIMIT_MS = 2000;

/** Starts two daemons at once, on the socket that a killed one left: exactly one must live, and the other must say why not. */
export async function twins(machine: Machine, options: { pairs: number; tally: Tally }): Promise<void> {
  const { pairs, tally } = options;
  for (let pair = 1; pair <= pairs; pair++) {
    const what = `pair ${pair}`;
    const problems: string[] = [];
    const both = [machine.start(), machine.start()];
    const ends = both.map((one, index) => one.ended.then((status) => ({ ...status, index })));
    const { code, signal, index } = await Promise.race(ends);
    const refusedMs = performance.now() - both[index]!.startedAt;
    tally.measured(what, { name: "start to refusal", ms: refusedMs, limitMs: REFUSE_LIMIT_MS });
    const said = both[index]!.log.join("\n");
    if (code !== 1 || signal !== null || !/^Error: Cannot bind .*another ngrokd is/m.test(said)) {
      problems.push(`one ended with ${code} ${signal ?? ""}: ${said}`);
    }
    const survivor = both[1 - index]!;
    try {
      await until("the other answers", () => machine.ask("status").then(() => true), { running: survivor });
    } catch (error) {
      problems.push(String(error));
    }
    kill(survivor.pid, "SIGKILL");
    const status = await survivor.ended;
    if (status.signal !== "SIGKILL") problems.push(`both ended: ${survivor.log.join("\n")}`);
    tally.ran(what, problems);
  }
  const { problems } = await machine.cleanUp();
  tally.ran("clean-up", [...problems, ...await machine.left()]);
}
