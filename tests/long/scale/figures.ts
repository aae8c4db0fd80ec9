import { missedTargets } from "../../../bench/targets.ts";
import type { EndpointReport } from "../../../src/model/report.ts";

/** The limits of docs/benchmarks.md, "Many endpoints". */
const LIMITS = { stepSeconds: 10, peakRssMiB: 300, hostsWrites: 1, idleCpuMs: 250, idleWrites: 0 };

/** The figures of one change of the account. */
export interface StepFigures {
  readonly name: string;
  readonly pages: number;
  /** From the request for the last page until the hosts file and `list` are right. */
  readonly seconds: number;
  readonly hostsWrites: number;
  /** The most memory that the daemon used during the step. */
  readonly peakRssMiB: number;
  /** The number of endpoints that do not have their first address. */
  readonly moved: number;
}

/** The figures of a poll that finds no difference. */
export interface IdleFigures {
  readonly pages: number;
  /** The CPU time of the daemon and of the programs that it ran. */
  readonly cpuMs: number;
  /** The files that changed. */
  readonly written: readonly string[];
}

/** The head of the table with the lines of {@linkcode renderStep}. */
export const HEAD = `| step | pages | seconds | hosts written | moved | peak RSS, MiB |
| --- | ---: | ---: | ---: | ---: | ---: |`;

/** Renders a line of the table. */
export function renderStep(figures: StepFigures): string {
  const { name, pages, seconds, hostsWrites, peakRssMiB, moved } = figures;
  const cells = [name, pages, seconds.toFixed(1), hostsWrites, moved, peakRssMiB.toFixed(0)];
  return `| ${cells.join(" | ")} |`;
}

/** Renders a sentence without its end. */
export function renderIdle({ pages, cpuMs, written }: IdleFigures): string {
  const files = written.length === 0 ? "no file written" : `files written: ${written.join(" ")}`;
  return `Idle poll of ${pages} pages: ${cpuMs} ms of CPU, ${files}`;
}

/** Returns the figures of a step that miss their limits; times may be `patience` times as long. */
export function stepProblems(figures: StepFigures, patience = 1): string[] {
  const { name, seconds, hostsWrites, peakRssMiB, moved } = figures;
  return missedTargets([
    { text: `${name}: duration`, unit: "s", value: seconds, atMost: LIMITS.stepSeconds * patience },
    { text: `${name}: writes of the hosts file`, value: hostsWrites, atMost: LIMITS.hostsWrites },
    { text: `${name}: memory`, unit: "MiB", value: peakRssMiB, atMost: LIMITS.peakRssMiB },
    { text: `${name}: endpoints on another address than before`, value: moved, atMost: 0 },
  ]);
}

/** Returns the figures of an idle poll that miss their limits. */
export function idleProblems({ cpuMs, written }: IdleFigures, patience = 1): string[] {
  return missedTargets([
    { text: "idle poll: CPU", unit: "ms", value: cpuMs, atMost: LIMITS.idleCpuMs * patience },
    { text: "idle poll: files written", value: written.length, atMost: LIMITS.idleWrites },
  ]);
}

/**
 * Counts the endpoints that have another address than in `addresses` (by URL), and adds those that
 * are not in it.
 */
export function countMoved(rows: readonly EndpointReport[], addresses: Map<string, string>): number {
  for (const { url, listen_address } of rows) if (!addresses.has(url)) addresses.set(url, listen_address);
  return rows.filter(({ url, listen_address }) => addresses.get(url) !== listen_address).length;
}
