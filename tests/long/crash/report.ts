import { missedTargets } from "../../../bench/targets.ts";

/** Collects the problems and figures of many runs, and checks each figure against its limit. */
export class Tally {
  readonly #patience: number;
  #runs = 0;
  readonly #figuresMs = new Map<string, number[]>();
  readonly #problems: string[] = [];

  /** @param patience The factor of all limits, for a machine that does other work, too. */
  constructor(patience: number) {
    this.#patience = patience;
  }

  get report(): CrashReport {
    return { runs: this.#runs, figuresMs: Object.fromEntries(this.#figuresMs), problems: this.#problems };
  }

  /** Adds a run and its problems. */
  addRun(run: string, problems: readonly string[]): void {
    this.#runs++;
    this.#problems.push(...problems.map((problem) => `${run}: ${problem}`));
  }

  /** Adds a figure of a run; NaN if the run ended before it. */
  addFigure(
    run: string,
    figure: { readonly name: string; readonly ms: number; readonly limitMs: number },
  ): void {
    const { name, ms, limitMs } = figure;
    if (Number.isNaN(ms)) return;
    this.#figuresMs.set(name, [...this.#figuresMs.get(name) ?? [], ms]);
    const target = { text: `${run}: ${name}`, unit: "ms", value: ms, atMost: limitMs * this.#patience };
    this.#problems.push(...missedTargets([target]));
  }
}

/** The result of one part of the task. */
export interface CrashReport {
  /** The number of times that the daemon ran. */
  readonly runs: number;
  /** All values of each figure. */
  readonly figuresMs: Readonly<Record<string, readonly number[]>>;
  readonly problems: readonly string[];
}

/** Adds up the reports of a part that ran in pieces. */
export function sum(reports: readonly CrashReport[]): CrashReport {
  const figures = Map.groupBy(
    reports.flatMap(({ figuresMs }) => Object.entries(figuresMs)),
    ([name]) => name,
  );
  return {
    runs: reports.reduce((total, { runs }) => total + runs, 0),
    figuresMs: Object.fromEntries([...figures].map(([name, all]) => [name, all.flatMap(([, ms]) => ms)])),
    problems: reports.flatMap(({ problems }) => problems),
  };
}
