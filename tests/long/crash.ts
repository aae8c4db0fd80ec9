// Kills the real daemon everywhere, as root in namespaces of its own: at every system call on its files, at random moments, while it
// starts and while it stops. Prints a table, and fails if anything of ngrokd is left, broken or late.
import { writeErr, writeOut } from "../../src/system/terminal.ts";
import { NEEDS_STRACE } from "../root/needs_root.ts";
import { type CrashReport, sum } from "./crash/report.ts";
import { type Part, runPart } from "./crash/run_part.ts";

const LANES = 2;
const PIECES = 4;
const CHURN_KILLS = 200;
const PAIRS = 50;

/** A row of the table, and the pieces that it is done in. */
interface Row {
  readonly name: string;
  readonly parts: readonly Part[];
}

function rowsFor(seed: number): Row[] {
  const pieces = Array.from({ length: PIECES }, (_, index) => index);
  // The first round of a start comes between 500 and 800 ms.
  const momentsMs = Array.from({ length: 81 }, (_, index) => index * 10);
  return [
    {
      name: "SIGKILL after every call on hosts and state files",
      parts: pieces.map((piece) => ({ kind: "sweep", calls: { piece, of: PIECES } })),
    },
    {
      name: `SIGKILL at random moments (seed ${seed})`,
      parts: pieces.map((index) => ({ kind: "churn", kills: CHURN_KILLS / PIECES, seed: seed + index })),
    },
    { name: "SIGTERM once and twice, 0 to 800 ms after start", parts: [{ kind: "stops", momentsMs }] },
    { name: "Two starts at once", parts: [{ kind: "twins", pairs: PAIRS }] },
  ];
}

async function main(): Promise<number> {
  const [seed = Math.floor(Math.random() * 1e6), patience = 1, ...rest] = Deno.args.map(Number);
  if (rest.length > 0 || !Number.isSafeInteger(seed) || !(patience >= 1)) {
    writeErr("Usage: deno task crash [SEED [TIMES]], the time limits TIMES as long on a busy machine\n");
    return 2;
  }
  if (NEEDS_STRACE) {
    writeErr("Cannot kill the daemon here: it needs root, namespaces with overlays, and strace\n");
    return 1;
  }
  const rows = rowsFor(seed);
  const queue = rows.flatMap(({ parts }) => parts).values();
  const reports = new Map<Part, CrashReport>();
  async function work(): Promise<void> {
    for (const part of queue) {
      const report = await runPart(part, { patience });
      reports.set(part, report);
      for (const problem of report.problems) writeErr(`Problem: ${problem}\n`);
    }
  }
  await Promise.all(Array.from({ length: LANES }, work));
  const sums = rows.map(({ name, parts }) => ({ name, ...sum(parts.map((part) => reports.get(part)!)) }));
  writeOut(`\n${line("", ["runs", "problems", "median / worst"])}`);
  for (const { name, runs, problems, figuresMs } of sums) {
    const figures = Object.entries(figuresMs).map(([what, ms]) => `${what} ${medianAndWorst(ms)}`);
    writeOut(line(name, [String(runs), String(problems.length), figures.join(", ")]));
  }
  return sums.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

function line(name: string, [runs, problems, figures]: readonly [string, string, string]): string {
  return `${name.padEnd(50)} ${runs.padStart(5)} ${problems.padStart(8)}  ${figures}\n`;
}

function medianAndWorst(figuresMs: readonly number[]): string {
  const sorted = figuresMs.toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1]!;
  return [median, sorted.at(-1)!].map((ms) => `${(ms / 1000).toFixed(2)} s`).join(" / ");
}

if (import.meta.main) Deno.exit(await main());
