/** What one part of the proof came to. */
export interface CrashReport {
  /** How often the daemon was ended. */
  readonly runs: number;
  /** What was measured → all of it, in milliseconds. */
  readonly figuresMs: Readonly<Record<string, readonly number[]>>;
  readonly problems: readonly string[];
}

/** Gathers a report, and holds each figure against its limit; `patience` times that, where a busy machine is not to be blamed. */
export class Tally {
  readonly #patience: number;
  #runs = 0;
  readonly #figuresMs = new Map<string, number[]>();
  readonly #problems: string[] = [];

  constructor(patience: number) {
    this.#patience = patience;
  }

  get report(): CrashReport {
    return { runs: this.#runs, figuresMs: Object.fromEntries(this.#figuresMs), problems: this.#problems };
  }

  /** One run, and what was wrong with it; `what` names it. */
  ran(what: string, problems: readonly string[]): void {
    this.#runs++;
    this.#problems.push(...problems.map((problem) => `${what}: ${problem}`));
  }

  /** A figure of the run named `what`; NaN if there is none, because the run did not come to it. */
  measured(
    what: string,
    figure: { readonly name: string; readonly ms: number; readonly limitMs: number },
  ): void {
    const { name, ms, limitMs } = figure;
    if (Number.isNaN(ms)) return;
    this.#figuresMs.set(name, [...this.#figuresMs.get(name) ?? [], ms]);
    if (ms > limitMs * this.#patience) {
      this.#problems.push(`${what}: ${name} took ${Math.round(ms)} ms, not ${limitMs}`);
    }
  }
}

/** Adds up the reports of one part that was done in pieces. */
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
