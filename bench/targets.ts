/** A figure and the limit that it must keep. */
export interface Target {
  /** The figure in words: `upload, 8 streams: throughput ÷ stunnel`. */
  readonly text: string;
  /** The unit of the figure and its limits, if the words do not tell. */
  readonly unit?: string;
  /** Undefined if it could not be measured. */
  readonly value: number | undefined;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Returns true if the figure keeps its limit, undefined if it was not measured. */
export function isMet({ value, atLeast = -Infinity, atMost = Infinity }: Target): boolean | undefined {
  return value === undefined ? undefined : value >= atLeast && value <= atMost;
}

/**
 * Returns one line for each target that is missed, `memory 412 MiB (at most 300 MiB)`, or was not
 * measured.
 */
export function missedTargets(targets: readonly Target[]): string[] {
  return targets.filter((target) => isMet(target) !== true)
    .map((target) => `${target.value === undefined ? "not measured: " : ""}${describe(target)}`);
}

/** Renders a target as one line: `MISSED  upload: throughput ÷ stunnel 0.50 (at least 0.8)`. */
export function renderTarget(target: Target): string {
  const met = isMet(target);
  const verdict = met === undefined ? "not measured" : met ? "met" : "MISSED";
  return `${verdict.padEnd(12)}  ${describe(target)}`;
}

function describe({ text, unit, value, atLeast, atMost }: Target): string {
  const figure = (number: number) => [short(number), unit ?? []].flat().join(" ");
  const limits = [
    atLeast === undefined ? [] : `at least ${figure(atLeast)}`,
    atMost === undefined ? [] : `at most ${figure(atMost)}`,
  ].flat();
  return `${text}${value === undefined ? "" : ` ${figure(value)}`} (${limits.join(", ")})`;
}

/** Rounds to two decimals, and writes no zeros that say nothing. */
function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}
