import { sleep } from "../../src/system/clock.ts";
import { type ProcessFigures, processFigures } from "../../bench/process_figures.ts";
import { isMet, missedTargets, type Target } from "../../bench/targets.ts";
import type { Stage } from "../../sim/stage.ts";

const SAMPLE_MS = 500;
/**
 * The runtime closes TLS sockets a moment after the daemon does, and collects garbage once it has
 * been idle for a while.
 */
const RETURN_LIMIT_MS = 30_000;

/**
 * Samples a process until `count` samples in a row are steady, each compared with the one before,
 * and returns the last one.
 */
export async function steadyFigures(pid: number, options: SteadyOptions = {}): Promise<ProcessFigures> {
  const { count = 4, sampleMs = SAMPLE_MS, isSteady = hasEqualDescriptors } = options;
  let last = await processFigures(pid);
  for (let steady = 0; steady < count;) {
    await sleep(sampleMs);
    const now = await processFigures(pid);
    steady = isSteady(last, now) ? steady + 1 : 0;
    last = now;
  }
  return last;
}

/** Options of {@linkcode steadyFigures}. */
export interface SteadyOptions {
  /** @default {4} */
  readonly count?: number;
  /** @default {500} */
  readonly sampleMs?: number;
  /** @default The number of descriptors is the same. */
  readonly isSteady?: (last: ProcessFigures, now: ProcessFigures) => boolean;
}

function hasEqualDescriptors(last: ProcessFigures, now: ProcessFigures): boolean {
  return last.descriptors === now.descriptors;
}

/** Waits until the daemon has no open connection, and the ingress no open stream. */
export async function untilIdle(stage: Stage): Promise<void> {
  await stage.until("all connections have ended", async () => {
    const rows = await stage.askList();
    return rows.every((row) => row.open_connections === 0) && stage.cloud.openStreams === 0;
  }, 60_000);
}

/** Samples a process until it keeps the limits of its growth since `before`, for 30 s at most. */
export async function growthSince(
  before: ProcessFigures,
  options: { readonly pid: number; readonly limits: GrowthLimits },
): Promise<Growth> {
  const { pid, limits } = options;
  for (const end = Date.now() + RETURN_LIMIT_MS;;) {
    const after = await processFigures(pid);
    const targets = targetsOf(before, { after, limits });
    if (Date.now() > end || targets.every(isMet)) return { before, after, problems: missedTargets(targets) };
    await sleep(SAMPLE_MS);
  }
}

/** The figures of a process before and after a load, and a line for each limit that it exceeds. */
export interface Growth {
  readonly before: ProcessFigures;
  readonly after: ProcessFigures;
  readonly problems: readonly string[];
}

/** The limits of a process's growth. */
export interface GrowthLimits {
  /** The descriptors that there may be more, or less. */
  readonly descriptors: number;
  /** @default {Infinity} */
  readonly rssMiB?: number;
}

/** Renders the growth of the daemon as one line. */
export function renderGrowth({ before, after }: Growth): string {
  return `The daemon before and after the load: ${before.descriptors} → ${after.descriptors} descriptors, ` +
    `memory ${before.rssMiB.toFixed(1)} → ${after.rssMiB.toFixed(1)} MiB`;
}

function targetsOf(
  before: ProcessFigures,
  options: { readonly after: ProcessFigures; readonly limits: GrowthLimits },
): Target[] {
  const { after, limits: { descriptors, rssMiB = Infinity } } = options;
  const [more, moreMiB] = [after.descriptors - before.descriptors, after.rssMiB - before.rssMiB];
  return [
    { text: "change of the number of open descriptors", value: Math.abs(more), atMost: descriptors },
    { text: "growth of the memory", unit: "MiB", value: moreMiB, atMost: rssMiB },
  ];
}
