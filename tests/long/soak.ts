import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { echoOnce, hashBothWays, parseTarget, pingPong, repeat, resetOnce, singleBytes } from "./load.ts";
import { type ProcessFigures, processFigures } from "../../bench/process_figures.ts";
import { randomSwitches } from "../../sim/cloud/switches.ts";
import { Stage, type StageOptions } from "../../sim/stage.ts";

/** How much of everything. */
export interface SoakSize {
  readonly connections: number;
  readonly resets: number;
  readonly bytesEachWay: number;
  readonly singleBytes: number;
  readonly pingPongs: number;
}

/** What RELIABILITY.md R27 and R28 ask for. */
export const FULL: SoakSize = {
  connections: 10_000,
  resets: 1_000,
  bytesEachWay: 64 * 1024 * 1024,
  singleBytes: 4096,
  pingPongs: 200,
};

const PARALLEL = 16;

/** Figures before and after, and everything that was not exact. */
export interface SoakResult {
  readonly before: ProcessFigures;
  readonly after: ProcessFigures;
  readonly problems: readonly string[];
}

/** Puts the load on a daemon of its own, and compares the process before and after. */
export async function soak(
  size: SoakSize,
  options: StageOptions & { say?: (line: string) => void } = {},
): Promise<SoakResult> {
  const { say = () => {} } = options;
  await using stage = await Stage.open({ ...options, sections: "net:\n  subnet: 127.111.0.0/16" });
  stage.cloud.addEndpoint({ url: "tcp://echo.soak:7001", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const target = parseTarget(row!.listen_address);
  const problems: string[] = [];
  async function step(
    name: string,
    task: () => Promise<{ failures: number; first: unknown } | void>,
  ): Promise<void> {
    const start = Date.now();
    try {
      const result = await task();
      if (result !== undefined && result.failures > 0) {
        problems.push(`${name}: ${result.failures} failed, the first with: ${result.first}`);
      }
    } catch (error) {
      problems.push(`${name}: ${error}`);
    }
    say(`${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  }
  async function idle(): Promise<void> {
    await stage.until("all connections have ended", async () => {
      const [report] = await stage.askList();
      return report!.open_connections === 0 && stage.cloud.openStreams === 0;
    }, 60_000);
  }
  const message = new TextEncoder().encode("four score and seven");
  // The runtime grows to its working size under the same kinds of load first.
  await step("warm-up", async () => {
    await hashBothWays(target, size.bytesEachWay);
    return await repeat(Math.ceil(size.connections / 10), {
      parallel: PARALLEL,
      task: () => echoOnce(target, message),
    });
  });
  await idle();
  const before = await steadyFigures(stage.pid);
  await step(
    `${size.connections} short connections`,
    () => repeat(size.connections, { parallel: PARALLEL, task: () => echoOnce(target, message) }),
  );
  await step(
    `${size.resets} resets`,
    () => repeat(size.resets, { parallel: PARALLEL, task: () => resetOnce(target) }),
  );
  await step(
    `${size.bytesEachWay / 1048576} MiB each way by hash`,
    () => hashBothWays(target, size.bytesEachWay),
  );
  await step(`${size.singleBytes} single-byte writes`, () => singleBytes(target, size.singleBytes));
  await step(`${size.pingPongs} ping-pongs`, () => pingPong(target, size.pingPongs));
  await step(
    "10 good connections in a row after all that",
    () => repeat(10, { parallel: 1, task: () => echoOnce(target, message) }),
  );
  await idle();
  const after = await figuresBackTo(before, stage.pid);
  const [report] = await stage.askList();
  const wanted = size.connections + size.resets + Math.ceil(size.connections / 10) + 14;
  if (report!.total_connections !== wanted) {
    problems.push(`the daemon counted ${report!.total_connections} connections, not ${wanted}`);
  }
  if (!isBack(before, after)) {
    problems.push(
      `descriptors went from ${before.descriptors} to ${after.descriptors}, memory from ${
        before.rssMiB.toFixed(0)
      } to ${after.rssMiB.toFixed(0)} MiB`,
    );
  }
  return { before, after, problems };
}

const SAMPLE_MS = 500;
/** The runtime closes TLS sockets a moment after we do, and collects garbage when it has been idle for a while. */
const BACK_WITHIN_MS = 30_000;
const MAX_DESCRIPTORS = 5;
const MAX_MIB = 20;

function isBack(before: ProcessFigures, after: ProcessFigures): boolean {
  return Math.abs(after.descriptors - before.descriptors) <= MAX_DESCRIPTORS &&
    after.rssMiB - before.rssMiB <= MAX_MIB;
}

/** The figures once the descriptors have stopped changing. */
async function steadyFigures(pid: number): Promise<ProcessFigures> {
  let last = await processFigures(pid);
  for (let same = 0; same < 4;) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const now = await processFigures(pid);
    same = now.descriptors === last.descriptors ? same + 1 : 0;
    last = now;
  }
  return last;
}

/** The figures as soon as they are back to what they were, or as they are when the time is over. */
async function figuresBackTo(before: ProcessFigures, pid: number): Promise<ProcessFigures> {
  for (const end = Date.now() + BACK_WITHIN_MS;;) {
    const now = await processFigures(pid);
    if (isBack(before, now) || Date.now() > end) return now;
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
}

if (import.meta.main) {
  const seed = Number(Deno.args[0] ?? Math.floor(Math.random() * 1e9));
  writeOut(`seed ${seed} (deno task soak ${seed} draws the same cloud again)\n`);
  const cloud = { seed, switches: { ...randomSwitches(seed), idleTimeoutMs: null } };
  const { before, after, problems } = await soak(FULL, { cloud, say: (line) => writeOut(`${line}\n`) });
  writeOut(
    `descriptors ${before.descriptors} → ${after.descriptors}, memory ${before.rssMiB.toFixed(1)} → ${
      after.rssMiB.toFixed(1)
    } MiB\n`,
  );
  writeOut(`CPU of the daemon in between: ${(after.cpuSeconds - before.cpuSeconds).toFixed(1)} s\n`);
  for (const problem of problems) writeErr(`Problem: ${problem}\n`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
