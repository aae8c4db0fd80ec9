import type { CpuSeconds, Samples, TransferSample } from "./measure.ts";
import { median } from "./statistics.ts";
import { caseOf, type Table } from "./summary.ts";
import { ratioTo } from "./goals.ts";
import { renderTarget, type Target } from "./targets.ts";
import type { SubjectName } from "./track.ts";

/** The number of cores that other programs may use without a note. */
const QUIET_CORES = 0.2;

/** Renders a table with a column for each subject and each ratio. */
export function renderTable(table: Table, subjects: readonly SubjectName[]): string {
  const others = subjects.filter((name) => name !== "ngrokd");
  const head = [table.title, ...subjects, ...others.map((name) => `ngrokd ÷ ${name}`)];
  const lines = table.rows.map((row) => [
    `  ${row.label}`,
    ...subjects.map((name) => number(row.values[name])),
    ...others.map((name) => ratioTo(name, row)?.toFixed(2) ?? "-"),
  ]);
  return align([head, ...lines]);
}

/** Renders how many cores each process kept busy, which shows what limited the throughput. */
export function renderLoad(samples: Samples, subjects: readonly SubjectName[]): string {
  const cases = Map.groupBy(samples.transfers, caseOf);
  function busyCores(group: readonly TransferSample[]): string {
    if (group.length === 0) return "-";
    const parts = ["client", "subject", "farEnd", "backend", "others"] as const;
    const cores = (part: keyof CpuSeconds): number =>
      median(group.map(({ cpuSeconds, seconds }) => (cpuSeconds[part] ?? 0) / seconds));
    return parts.map((part) => cores(part).toFixed(1)).join(" / ");
  }
  const lines = [...cases].map(([label, group]) => [
    `  ${label}`,
    ...subjects.map((name) => busyCores(group.filter(({ subject }) => subject === name))),
  ]);
  const others = median(
    samples.transfers.map(({ cpuSeconds, seconds }) => (cpuSeconds.others ?? 0) / seconds),
  );
  const note = others > QUIET_CORES
    ? `Other programs kept ${others.toFixed(1)} cores busy: the figures are disturbed\n`
    : "";
  return align([["Busy cores: client / forwarder / far end / backend / others", ...subjects], ...lines]) +
    note;
}

/** Renders the targets, one line each. */
export function renderTargets(targets: readonly Target[]): string {
  return ["Targets", ...targets.map((target) => `  ${renderTarget(target)}`)].join("\n") + "\n";
}

function number(value: number | undefined): string {
  if (value === undefined) return "-";
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** Aligns the first column left and the others right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)
    );
    return cells.join("  ").trimEnd();
  });
  return `${lines.join("\n")}\n`;
}
