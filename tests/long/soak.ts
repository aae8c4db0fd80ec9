// Loads a daemon with thousands of connections, and compares its descriptors and memory before and
// after. Usage: deno task soak [SEED]
import { writeOut } from "../../src/system/terminal.ts";
import { randomSwitches } from "../../sim/cloud/switches.ts";
import { Stage, type StageOptions } from "../../sim/stage.ts";
import {
  echoOnce,
  hashBothWays,
  pingPong,
  repeat,
  type RepeatResult,
  resetOnce,
  sendSingleBytes,
} from "./load.ts";
import { type Growth, growthSince, renderGrowth, steadyFigures, untilIdle } from "./process_growth.ts";
import { randomSeed, readNumbers, reportProblems } from "./task.ts";

/** The load that docs/reliability.md R27 and R28 demand. */
const FULL: SoakSize = {
  connections: 10_000,
  resets: 1_000,
  bytesEachWay: 64 * 1024 * 1024,
  singleBytes: 4096,
  pingPongs: 200,
};
const LIMITS = { descriptors: 5, rssMiB: 20 };
const PARALLEL = 16;
const CONNECTIONS_AFTERWARDS = 10;
/** A transfer before the measurement, and one connection each for hashes, bytes and ping-pongs. */
const OTHER_CONNECTIONS = 4;
const MESSAGE = new TextEncoder().encode("four score and seven");

/** Loads a daemon of its own, and compares the process before and after. */
export async function soak(size: SoakSize, options: SoakOptions = {}): Promise<Growth> {
  const { onProgress = () => {}, ...stageOptions } = options;
  await using stage = await Stage.open(stageOptions);
  stage.cloud.addEndpoint({ url: "tcp://echo.soak:7001", backend: "echo" });
  stage.startDaemon();
  const address = (await stage.settled(1))[0]!.listen_address;
  const problems: string[] = [];
  async function step(name: string, task: () => Promise<RepeatResult | void>): Promise<void> {
    const start = Date.now();
    try {
      const result = await task();
      if (result !== undefined && result.failures > 0) {
        problems.push(`${name}: ${result.failures} failed; first error: ${result.first}`);
      }
    } catch (error) {
      problems.push(`${name}: ${error}`);
    }
    onProgress(`${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  }
  const echo = (count: number, parallel = PARALLEL) =>
    repeat(count, { parallel, task: () => echoOnce(address, MESSAGE) });
  const warmUpConnections = Math.ceil(size.connections / 10);
  // The runtime grows to its working size under the same kinds of load first.
  await step(`Warm-up with ${warmUpConnections} connections`, async () => {
    await hashBothWays(address, size.bytesEachWay);
    return await echo(warmUpConnections);
  });
  await untilIdle(stage);
  const before = await steadyFigures(stage.pid);
  await step(`${size.connections} short connections`, () => echo(size.connections));
  await step(
    `${size.resets} connections that the client resets`,
    () => repeat(size.resets, { parallel: PARALLEL, task: () => resetOnce(address) }),
  );
  await step(
    `${size.bytesEachWay / 1024 ** 2} MiB each way, compared by SHA-256`,
    () => hashBothWays(address, size.bytesEachWay),
  );
  await step(`${size.singleBytes} writes of one byte`, () => sendSingleBytes(address, size.singleBytes));
  await step(`${size.pingPongs} ping-pongs`, () => pingPong(address, size.pingPongs));
  await step(`${CONNECTIONS_AFTERWARDS} connections one by one`, () => echo(CONNECTIONS_AFTERWARDS, 1));
  await untilIdle(stage);
  const growth = await growthSince(before, { pid: stage.pid, limits: LIMITS });
  const counted = (await stage.askList())[0]!.total_connections;
  const made = warmUpConnections + size.connections + size.resets + OTHER_CONNECTIONS +
    CONNECTIONS_AFTERWARDS;
  if (counted !== made) problems.push(`the daemon counted ${counted} connections of ${made}`);
  return { ...growth, problems: [...problems, ...growth.problems] };
}

/** The load of a soak. */
export interface SoakSize {
  readonly connections: number;
  readonly resets: number;
  readonly bytesEachWay: number;
  readonly singleBytes: number;
  readonly pingPongs: number;
}

/** Options of {@linkcode soak}. */
export interface SoakOptions extends StageOptions {
  readonly onProgress?: (line: string) => void;
}

async function main(): Promise<number> {
  const numbers = readNumbers("soak [SEED]", [randomSeed()]);
  if (numbers === undefined) return 2;
  const [seed] = numbers;
  writeOut(`Seed ${seed}. To repeat this run: deno task soak ${seed}\n`);
  const cloud = { seed, switches: { ...randomSwitches(seed), idleTimeoutMs: null } };
  const growth = await soak(FULL, { cloud, onProgress: (line) => writeOut(`${line}\n`) });
  writeOut(`${renderGrowth(growth)}\n`);
  writeOut(`CPU time of the daemon: ${(growth.after.cpuSeconds - growth.before.cpuSeconds).toFixed(1)} s\n`);
  return reportProblems(growth.problems);
}

if (import.meta.main) Deno.exit(await main());
