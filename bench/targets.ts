/** A figure and the limit that it must keep. */
export interface Target {
  /** The figure in words, with its unit: `upload, 8 streams: throughput ÷ stunnel`. */
  readonly text: string;
  /** Undefined if it could not be measured. */
  readonly value: number | undefined;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Returns true if the figure keeps its limit, undefined if it was not measured. */
export function isMet({ value, atLeast = -Infinity, atMost = Infinity }: Target): boolean | undefined {
  return value === undefined ? undefined : value >= atLeast && value <= atMost;
}

/** Returns one sentence for each target that is missed or was not measured. */
export function missedTargets(targets: readonly Target[]): string[] {
  return targets.filter((target) => isMet(target) !== true).map(renderTarget);
}

/** Renders a target as one line: `MISSED  upload: throughput ÷ stunnel 0.50 (at least 0.8)`. */
export function renderTarget(target: Target): string {
  const { text, value, atLeast, atMost } = target;
  const met = isMet(target);
  const verdict = met === undefined ? "not measured" : met ? "met" : "MISSED";
  const limits = [
    atLeast === undefined ? [] : `at least ${atLeast}`,
    atMost === undefined ? [] : `at most ${atMost}`,
  ].flat();
  return `${verdict.padEnd(12)}  ${text}${value === undefined ? "" : ` ${short(value)}`} (${
    limits.join(", ")
  })`;
}

/** Rounds to two decimals, and writes no zeros that say nothing. */
function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}
