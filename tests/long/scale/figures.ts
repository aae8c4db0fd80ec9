import { missedTargets } from "../../../bench/targets.ts";
import type { EndpointReport } from "../../../src/model/report.ts";

/** What issue 3 and RELIABILITY.md F43 ask for. */
const TARGETS = { stepSeconds: 10, peakRssMiB: 300, hostsWrites: 1, idleCpuMs: 250, idleWrites: 0 };

/** One change of the account, and what it cost. */
export interface StepFigures {
  readonly name: string;
  readonly pages: number;
  /** From the last page's answer to the last endpoint listed as it must be, and the hosts file right. */
  readonly seconds: number;
  readonly hostsWrites: number;
  /** The most memory that the daemon had in the step. */
  readonly peakRssMiB: number;
  /** How many endpoints do not stand where they stood first. */
  readonly moved: number;
}

/** A poll that finds nothing new. */
export interface IdleFigures {
  readonly pages: number;
  /** Of the daemon and of the programs that it ran. */
  readonly cpuMs: number;
  /** Files that are not what they were before. */
  readonly written: readonly string[];
}

/** The head of the table that {@linkcode renderStep} makes lines of. */
export const HEAD = `| step | pages | seconds | hosts written | moved | peak RSS, MiB |
| --- | ---: | ---: | ---: | ---: | ---: |`;

/** A line of the table. */
export function renderStep(figures: StepFigures): string {
  const { name, pages, seconds, hostsWrites, peakRssMiB, moved } = figures;
  return `| ${name} | ${pages} | ${seconds.toFixed(1)} | ${hostsWrites} | ${moved} | ${
    peakRssMiB.toFixed(0)
  } |`;
}

/** A sentence. */
export function renderIdle({ pages, cpuMs, written }: IdleFigures): string {
  return `idle poll of ${pages} pages: ${cpuMs} ms of CPU, ${
    written.length === 0 ? "no file written" : `written: ${written.join(" ")}`
  }`;
}

/** Returns the figures of a step that miss their targets; times may be `patience` times as long. */
export function stepProblems(figures: StepFigures, patience = 1): string[] {
  const { name, seconds, hostsWrites, peakRssMiB, moved } = figures;
  return missedTargets([
    { text: `${name}: seconds`, value: seconds, atMost: TARGETS.stepSeconds * patience },
    { text: `${name}: writes of the hosts file`, value: hostsWrites, atMost: TARGETS.hostsWrites },
    { text: `${name}: MiB of memory`, value: peakRssMiB, atMost: TARGETS.peakRssMiB },
    { text: `${name}: endpoints on another address`, value: moved, atMost: 0 },
  ]);
}

/** Returns the figures of an idle poll that miss their targets. */
export function idleProblems({ cpuMs, written }: IdleFigures, patience = 1): string[] {
  return missedTargets([
    { text: "idle poll: ms of CPU", value: cpuMs, atMost: TARGETS.idleCpuMs * patience },
    { text: "idle poll: files written", value: written.length, atMost: TARGETS.idleWrites },
  ]);
}

/** How many endpoints do not stand where `places` (URL → address) says; those that it does not know are added. */
export function countMoved(rows: readonly EndpointReport[], places: Map<string, string>): number {
  for (const { url, listen_address } of rows) if (!places.has(url)) places.set(url, listen_address);
  return rows.filter(({ url, listen_address }) => places.get(url) !== listen_address).length;
}
