import { messageOf } from "../src/model/errors.ts";
import type { ClientQuestion, Connects, Transfer } from "./client.ts";
import { readCpu } from "./cpu_time.ts";
import { processFigures } from "./process_figures.ts";
import { percentile } from "./statistics.ts";
import type { Subject, SubjectName, Track } from "./track.ts";

/** The number and length of the measurements. */
export interface Plan {
  readonly rounds: number;
  readonly transferMs: number;
  readonly warmUpMs: number;
  /** The connections of one round, made by four workers; fewer if the time limit comes first. */
  readonly connections: number;
  readonly connectLimitMs: number;
}

/** The plan of a full run, which takes about five minutes. */
export const FULL: Plan = {
  rounds: 5,
  transferMs: 1500,
  warmUpMs: 300,
  connections: 400,
  connectLimitMs: 8000,
};
/** The plan of a quick run, which takes about 40 seconds. */
export const QUICK: Plan = {
  rounds: 3,
  transferMs: 300,
  warmUpMs: 100,
  connections: 60,
  connectLimitMs: 1500,
};

const WORKERS = 4;
const CASES = [
  { direction: "upload", streams: 1 },
  { direction: "download", streams: 1 },
  { direction: "upload", streams: 8 },
  { direction: "download", streams: 8 },
] as const;

/** The processes of a measurement. The direct path has no subject and no far end. */
export type Part = "client" | "subject" | "farEnd" | "backend";

/** The CPU seconds of each process during one measurement, and of all other programs. */
export type CpuSeconds = Partial<Record<Part | "others", number>>;

/** One transfer. */
export interface TransferSample extends Transfer {
  readonly round: number;
  readonly subject: SubjectName;
  readonly proxied: boolean;
  readonly direction: "upload" | "download";
  readonly streams: number;
  readonly cpuSeconds: CpuSeconds;
}

/** A series of connections; the times are of connect + 4-byte echo. */
export interface ConnectSample {
  readonly round: number;
  readonly subject: SubjectName;
  readonly proxied: boolean;
  readonly count: number;
  readonly seconds: number;
  readonly cpuSeconds: CpuSeconds;
  readonly minMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** All samples in the order of their measurement. */
export interface Samples {
  readonly transfers: readonly TransferSample[];
  readonly connects: readonly ConnectSample[];
  readonly memory: readonly MemorySample[];
}

/** The memory of a subject's process after all transfers. */
export interface MemorySample {
  readonly subject: SubjectName;
  readonly proxied: boolean;
  readonly rssMiB: number;
}

/**
 * Measures each case with one subject after the other, round by round, so that other load on the
 * machine affects all of them.
 */
export async function measure(track: Track, options: MeasureOptions): Promise<Samples> {
  const { plan, onProgress } = options;
  const transfers: TransferSample[] = [];
  const connects: ConnectSample[] = [];
  for (const { direction, streams } of CASES) {
    onProgress(`${direction}, ${streams} at a time`);
    const run = (subject: Subject, durationMs: number) =>
      runTransfer(track, { subject, direction, streams, durationMs });
    for (const subject of track.subjects) await run(subject, plan.warmUpMs);
    for (let round = 1; round <= plan.rounds; round++) {
      for (const subject of track.subjects) {
        transfers.push({
          round,
          subject: subject.name,
          proxied: subject.proxied,
          direction,
          streams,
          ...await run(subject, plan.transferMs),
        });
      }
    }
  }
  onProgress("connections");
  for (const subject of track.subjects) {
    await runConnects(track, { subject, plan: { ...plan, connections: 2 * WORKERS } });
  }
  for (let round = 1; round <= plan.rounds; round++) {
    for (const subject of track.subjects) {
      const { name, proxied } = subject;
      connects.push({ round, subject: name, proxied, ...await runConnects(track, { subject, plan }) });
    }
  }
  const memory: MemorySample[] = [];
  for (const { name, proxied, pid } of track.subjects) {
    if (pid === undefined) continue;
    memory.push({ subject: name, proxied, rssMiB: (await processFigures(pid)).rssMiB });
  }
  return { transfers, connects, memory };
}

/** Options of {@linkcode measure}. */
export interface MeasureOptions {
  readonly plan: Plan;
  /** Called with the name of each case as it begins. */
  readonly onProgress: (text: string) => void;
}

async function runTransfer(
  track: Track,
  options: { subject: Subject; direction: "upload" | "download"; streams: number; durationMs: number },
): Promise<Transfer & { cpuSeconds: CpuSeconds }> {
  const { subject, direction, streams, durationMs } = options;
  const order = direction === "upload" ? "upld" : "down";
  try {
    await ask(track, { kind: "open", address: subject.address, order, streams });
    const stop = await countCpu(track, subject);
    const transfer = await ask(track, { kind: "run", durationMs }) as Transfer;
    return { ...transfer, cpuSeconds: await stop() };
  } catch (error) {
    const name = `${subject.name}${subject.proxied ? " through a proxy" : ""}`;
    throw new Error(`Cannot measure ${name}, ${direction}, ${streams} at a time: ${messageOf(error)}`);
  }
}

async function runConnects(
  track: Track,
  options: { subject: Subject; plan: Plan },
): Promise<Omit<ConnectSample, "round" | "subject" | "proxied">> {
  const { subject: { address }, subject, plan: { connections: count, connectLimitMs: limitMs } } = options;
  const stop = await countCpu(track, subject);
  const { timesMs, seconds } = await ask(track, {
    kind: "connect",
    address,
    workers: WORKERS,
    count,
    limitMs,
  }) as Connects;
  return {
    count: timesMs.length,
    seconds,
    cpuSeconds: await stop(),
    minMs: percentile(timesMs, 0),
    p50Ms: percentile(timesMs, 50),
    p99Ms: percentile(timesMs, 99),
  };
}

async function ask(track: Track, question: ClientQuestion): Promise<unknown> {
  return await track.client.ask(question);
}

/** Starts to count CPU time; the returned function gives the seconds of each process since then. */
async function countCpu(track: Track, subject: Subject): Promise<() => Promise<CpuSeconds>> {
  const { client, backend, farEndPid } = track;
  const between = subject.pid === undefined ? {} : { subject: subject.pid, farEnd: farEndPid };
  const parts: Partial<Record<Part, number>> = { client: client.pid, ...between, backend: backend.pid };
  const pids = Object.values(parts);
  const before = await readCpu(pids);
  return async () => {
    const after = await readCpu(pids);
    const used = after.processes.map((seconds, index) => seconds - before.processes[index]!);
    const others = after.machine - before.machine - used.reduce((sum, seconds) => sum + seconds);
    const entries = Object.keys(parts).map((part, index) => [part, round(used[index]!)]);
    return { ...Object.fromEntries(entries), others: round(Math.max(0, others)) };
  };
}

/** Rounds to hundredths, the unit of the kernel. */
function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
