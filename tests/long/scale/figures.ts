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

/** Which figures of a step miss their targets; times may be `patience` times as long. */
export function stepProblems(figures: StepFigures, patience = 1): string[] {
  const { name, seconds, hostsWrites, peakRssMiB, moved } = figures;
  return [
    ...hold(`${name}: seconds`, seconds, TARGETS.stepSeconds * patience),
    ...hold(`${name}: hosts file written`, hostsWrites, TARGETS.hostsWrites),
    ...hold(`${name}: MiB of memory`, peakRssMiB, TARGETS.peakRssMiB),
    ...hold(`${name}: endpoints on another address`, moved, 0),
  ];
}

/** Which figures of an idle poll miss their targets. */
export function idleProblems({ cpuMs, written }: IdleFigures, patience = 1): string[] {
  return [
    ...hold("idle poll: ms of CPU", cpuMs, TARGETS.idleCpuMs * patience),
    ...hold("idle poll: files written", written.length, TARGETS.idleWrites),
  ];
}

/** How many endpoints do not stand where `places` (URL → address) says; those that it does not know are added. */
export function countMoved(rows: readonly EndpointReport[], places: Map<string, string>): number {
  for (const { url, listen_address } of rows) if (!places.has(url)) places.set(url, listen_address);
  return rows.filter(({ url, listen_address }) => places.get(url) !== listen_address).length;
}

function hold(what: string, value: number, most: number): string[] {
  return value <= most ? [] : [`${what}: ${value}, more than ${most}`];
}
