import { CPU_PER_GB, type Row, type Table, THROUGHPUT } from "./summary.ts";

/** What the daemon must reach beside stunnel. */
const TARGETS = [
  { title: THROUGHPUT, what: "throughput", atLeast: 0.8 },
  { title: CPU_PER_GB, what: "CPU per GB", atMost: 1.3 },
] as const;

/** One target and what was measured; `met` is undefined if there was nothing to compare with. */
export interface TargetResult {
  /** `throughput, upload, 8 streams: at least 0.8 × stunnel`. */
  readonly text: string;
  readonly ratio?: number;
  readonly met?: boolean;
}

/** Holds each row that has a target against it. */
export function checkTargets(tables: readonly Table[]): TargetResult[] {
  return TARGETS.flatMap((target) => {
    const { what, title } = target;
    const limit = "atLeast" in target ? `at least ${target.atLeast}` : `at most ${target.atMost}`;
    const rows = tables.find((table) => table.title === title)?.rows ?? [];
    return rows.map((row) => {
      const text = `${what}, ${row.label}: ${limit} × stunnel`;
      const ratio = ratioTo("stunnel", row);
      if (ratio === undefined) return { text };
      return { text, ratio, met: "atLeast" in target ? ratio >= target.atLeast : ratio <= target.atMost };
    });
  });
}

/** The daemon's value divided by another's; undefined if one of them is missing. */
export function ratioTo(other: "direct" | "stunnel" | "haproxy", row: Row): number | undefined {
  const { ngrokd, [other]: value } = row.values;
  return ngrokd === undefined || !value ? undefined : ngrokd / value;
}
