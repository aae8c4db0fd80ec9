import type { ConnectSample, Samples, TransferSample } from "./measure.ts";
import { median } from "./statistics.ts";
import type { SubjectName } from "./track.ts";

/** One line of a table: a value of each subject, the median of its rounds. */
export interface Row {
  readonly label: string;
  readonly values: Readonly<Partial<Record<SubjectName, number>>>;
}

/** One measure. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The measures that have a target. */
export const THROUGHPUT = "Throughput, MB/s (more is better)";
export const CPU_PER_GB = "CPU of the forwarder, seconds per GB (less is better)";

/** Medians of every measure. MB and GB are 10^6 and 10^9 bytes. */
export function summarize(samples: Samples): Table[] {
  const { transfers, connects } = samples;
  const cases = [...Map.groupBy(transfers, caseOf)];
  const transferTable = (title: string, value: (sample: TransferSample) => number | undefined): Table => ({
    title,
    rows: cases.map(([label, group]) => row(label, { samples: group, value })),
  });
  const connectRow = (label: string, value: (sample: ConnectSample) => number | undefined): Row =>
    row(label, { samples: connects, value });
  return [
    transferTable(THROUGHPUT, ({ bytes, seconds }) => bytes / seconds / 1e6),
    transferTable(CPU_PER_GB, ({ bytes, cpuSeconds }) => divide(cpuSeconds.subject, bytes / 1e9)),
    {
      title: "New connections, 4 at a time: connect + 4-byte echo",
      rows: [
        connectRow("per second", ({ count, seconds }) => count / seconds),
        connectRow("p50, ms", ({ p50Ms }) => p50Ms),
        connectRow("p99, ms", ({ p99Ms }) => p99Ms),
        connectRow("fastest, ms", ({ minMs }) => minMs),
        connectRow("CPU, ms each", ({ count, cpuSeconds }) => divide(cpuSeconds.subject, count / 1000)),
      ],
    },
  ];
}

/** A transfer's case in words: `upload, 8 streams`. */
export function caseOf({ direction, streams }: Pick<TransferSample, "direction" | "streams">): string {
  return `${direction}, ${streams} ${streams === 1 ? "stream" : "streams"}`;
}

function row<Sample extends { readonly subject: SubjectName }>(
  label: string,
  options: { samples: readonly Sample[]; value: (sample: Sample) => number | undefined },
): Row {
  const { samples, value } = options;
  const entries = [...Map.groupBy(samples, ({ subject }) => subject)].flatMap(([subject, group]) => {
    const values = group.map(value).filter((number) => number !== undefined);
    return values.length === 0 ? [] : [[subject, median(values)]];
  });
  return { label, values: Object.fromEntries(entries) };
}

function divide(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value / by;
}
