// Kills the real daemon at every system call on its files, at random moments, while it starts and
// while it stops, as root in namespaces of its own. Prints a table; a file or a setting that is
// left or damaged, or a step that takes too long, is a problem.
// Usage: deno task crash [SEED [PATIENCE]]
import { median } from "../../bench/statistics.ts";
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { NEEDS_STRACE } from "../root/needs_root.ts";
import { type CrashReport, sum } from "./crash/report.ts";
import { type Part, runPart } from "./crash/run_part.ts";
import { randomSeed, readNumbers, reportProblems } from "./task.ts";

/** The number of parts that run at the same time. */
const PARALLEL = 2;
const PIECES = 4;
const CHURN_KILLS = 200;
const PAIRS = 50;
/** The first round of a start comes between 500 and 800 ms. */
const STOP_MOMENTS_MS = Array.from({ length: 81 }, (_, index) => index * 10);

/** A row of the table, and the pieces that it runs in. */
interface Row {
  readonly name: string;
  readonly parts: readonly Part[];
}

function rowsFor(seed: number): Row[] {
  const pieces = Array.from({ length: PIECES }, (_, index) => index);
  return [
    {
      name: "SIGKILL after each call on hosts and state files",
      parts: pieces.map((piece) => ({ kind: "sweep", calls: { piece, of: PIECES } })),
    },
    {
      name: `SIGKILL at random moments (seed ${seed})`,
      parts: pieces.map((index) => ({ kind: "churn", kills: CHURN_KILLS / PIECES, seed: seed + index })),
    },
    {
      name: "SIGTERM once and twice, 0 to 800 ms after start",
      parts: [{ kind: "stops", momentsMs: STOP_MOMENTS_MS }],
    },
    { name: "Two starts at once", parts: [{ kind: "double_starts", pairs: PAIRS }] },
  ];
}

async function main(): Promise<number> {
  const numbers = readNumbers(
    "crash [SEED [PATIENCE]]    (PATIENCE: the factor of all time limits)",
    [randomSeed(), 1],
  );
  if (numbers === undefined) return 2;
  if (NEEDS_STRACE) {
    writeErr("Cannot trace and kill the daemon: root, namespaces with overlays, or strace is missing\n");
    return 1;
  }
  const [seed, patience] = numbers;
  const rows = rowsFor(seed);
  const queue = rows.flatMap(({ parts }) => parts).values();
  const reports = new Map<Part, CrashReport>();
  let exitCode = 0;
  async function work(): Promise<void> {
    for (const part of queue) {
      const report = await runPart(part, { patience });
      reports.set(part, report);
      exitCode = Math.max(exitCode, reportProblems(report.problems));
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, work));
  writeOut(`\n${line("", ["runs", "problems", "median / longest"])}`);
  for (const { name, parts } of rows) {
    const { runs, problems, figuresMs } = sum(parts.map((part) => reports.get(part)!));
    const figures = Object.entries(figuresMs).map(([figure, ms]) => `${figure} ${medianAndLongest(ms)}`);
    writeOut(line(name, [String(runs), String(problems.length), figures.join(", ")]));
  }
  return exitCode;
}

function line(name: string, [runs, problems, figures]: readonly [string, string, string]): string {
  return `${name.padEnd(50)} ${runs.padStart(5)} ${problems.padStart(8)}  ${figures}\n`;
}

function medianAndLongest(figuresMs: readonly number[]): string {
  return [median(figuresMs), Math.max(...figuresMs)].map((ms) => `${(ms / 1000).toFixed(2)} s`).join(" / ");
}

if (import.meta.main) Deno.exit(await main());
