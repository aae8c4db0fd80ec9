// Kills the real daemon everywhere, as root in namespaces of its own: at every system call on its files, at random moments, while it
// starts and while it stops. Prints a table, and fails if anything of ngrokd is left, broken or late.
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { NEEDS_STRACE } from "../tests/root/needs_root.ts";
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
      parts: pieces.map((from) => ({ kind: "sweep", calls: { from, of: PIECES } })),
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
  if (NEEDS_STRACE) {
    writeErr("Cannot kill the daemon here: it needs root, namespaces with overlays, and strace\n");
    return 1;
  }
  const seed = Number(Deno.args[0] ?? Math.floor(Math.random() * 1e6));
  const rows = rowsFor(seed);
  const queue = rows.flatMap(({ parts }) => parts).values();
  const reports = new Map<Part, CrashReport>();
  async function work(): Promise<void> {
    for (const part of queue) {
      const report = await runPart(part);
      reports.set(part, report);
      for (const problem of report.problems) writeErr(`Problem: ${problem}\n`);
    }
  }
  await Promise.all(Array.from({ length: LANES }, work));
  const sums = rows.map(({ name, parts }) => ({ name, ...sum(parts.map((part) => reports.get(part)!)) }));
  writeOut(`\n${"".padEnd(50)} ${"runs".padStart(5)} ${"problems".padStart(8)}  slowest\n`);
  for (const { name, runs, problems, worstMs } of sums) {
    const slowest = Object.entries(worstMs).map(([what, ms]) => `${what} ${(ms / 1000).toFixed(2)} s`).join(
      ", ",
    );
    writeOut(
      `${name.padEnd(50)} ${String(runs).padStart(5)} ${String(problems.length).padStart(8)}  ${slowest}\n`,
    );
  }
  return sums.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
