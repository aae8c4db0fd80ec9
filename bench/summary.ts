import type { ConnectSample, Samples, TransferSample } from "./measure.ts";
import { median } from "./statistics.ts";
import type { SubjectName } from "./track.ts";

/** One line of a table: the median of the rounds for each subject. */
export interface Row {
  readonly label: string;
  readonly values: Readonly<Partial<Record<SubjectName, number>>>;
}

/** The rows of one measure. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The tables that have a target. */
export const THROUGHPUT = "Throughput, MB/s (more is better)";
export const CPU_PER_GB = "CPU of the forwarder, seconds per GB (less is better)";
export const CONNECT_MS = "New connections, 4 at a time: p50 of connect + 4-byte echo, ms";
export const MEMORY = "Memory of the forwarder after all transfers, MiB";
/** The end of the label of a row that was measured through an HTTP proxy. */
export const PROXIED = ", through a proxy";

/** Returns the medians of every measure. MB and GB are 10^6 and 10^9 bytes. */
export function summarize({ transfers, connects, memory }: Samples): Table[] {
  const cases = [...Map.groupBy(transfers, caseOf)];
  const transferTable = (title: string, value: (sample: TransferSample) => number | undefined): Table => ({
    title,
    rows: cases.map(([label, group]) => row(label, { samples: group, value })),
  });
  const both = <Sample extends Subjected>(label: string, options: RowOptions<Sample>): Row[] =>
    [...Map.groupBy(options.samples, ({ proxied }) => proxied)].map(([proxied, samples]) =>
      row(label + (proxied ? PROXIED : ""), { ...options, samples })
    );
  const connectRows = (label: string, value: (sample: ConnectSample) => number | undefined): Row[] =>
    both(label, { samples: connects, value });
  return [
    transferTable(THROUGHPUT, ({ bytes, seconds }) => bytes / seconds / 1e6),
    transferTable(CPU_PER_GB, ({ bytes, cpuSeconds }) => divide(cpuSeconds.subject, bytes / 1e9)),
    { title: CONNECT_MS, rows: connectRows("p50, ms", ({ p50Ms }) => p50Ms) },
    {
      title: "New connections, 4 at a time: more figures",
      rows: [
        ...connectRows("per second", ({ count, seconds }) => count / seconds),
        ...connectRows("p99, ms", ({ p99Ms }) => p99Ms),
        ...connectRows("fastest, ms", ({ minMs }) => minMs),
        ...connectRows("CPU, ms each", ({ count, cpuSeconds }) => divide(cpuSeconds.subject, count / 1000)),
      ],
    },
    { title: MEMORY, rows: both("resident", { samples: memory, value: ({ rssMiB }) => rssMiB }) },
  ];
}

/** Names the case of a transfer: `upload, 8 streams, through a proxy`. */
export function caseOf(sample: Pick<TransferSample, "direction" | "streams" | "proxied">): string {
  const { direction, streams, proxied } = sample;
  return `${direction}, ${streams} ${streams === 1 ? "stream" : "streams"}${proxied ? PROXIED : ""}`;
}

/** A sample that belongs to a subject. */
interface Subjected {
  readonly subject: SubjectName;
  readonly proxied: boolean;
}

interface RowOptions<Sample extends Subjected> {
  readonly samples: readonly Sample[];
  readonly value: (sample: Sample) => number | undefined;
}

function row<Sample extends Subjected>(label: string, options: RowOptions<Sample>): Row {
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
