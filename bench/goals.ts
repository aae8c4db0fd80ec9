import { CONNECT_MS, CPU_PER_GB, MEMORY, PROXIED, type Row, type Table, THROUGHPUT } from "./summary.ts";
import type { Target } from "./targets.ts";

/** The targets of ngrokd: beside stunnel, and with a proxy beside without one. */
export function goalsOf(tables: readonly Table[]): Target[] {
  const rowsOf = (title: string) => tables.find((table) => table.title === title)?.rows ?? [];
  const direct = (title: string) => rowsOf(title).filter(({ label }) => !label.endsWith(PROXIED));
  /** The row of the same measurement through the proxy. */
  const proxied = (title: string, { label }: Row) =>
    rowsOf(title).find((row) => row.label === label + PROXIED);
  return [
    ...direct(THROUGHPUT).map((row) => ({
      text: `${row.label}: throughput ÷ stunnel`,
      value: ratioTo("stunnel", row),
      atLeast: 0.8,
    })),
    ...direct(CPU_PER_GB).map((row) => ({
      text: `${row.label}: CPU per GB ÷ stunnel`,
      value: ratioTo("stunnel", row),
      atMost: 1.3,
    })),
    ...direct(THROUGHPUT).filter(({ label }) => label.endsWith("1 stream")).map((row) => ({
      text: `${row.label}: throughput through a proxy ÷ without`,
      value: divide(proxied(THROUGHPUT, row)?.values.ngrokd, row.values.ngrokd),
      atLeast: 0.3,
    })),
    ...direct(CONNECT_MS).map((row) => ({
      text: "connect through a proxy, p50: ms more than without",
      value: subtract(proxied(CONNECT_MS, row)?.values.ngrokd, row.values.ngrokd),
      // Nagle's algorithm with a delayed acknowledgement costs 40 ms.
      atMost: 15,
    })),
    ...direct(MEMORY).map((row) => ({
      text: "memory with a proxy: MiB more than without",
      value: subtract(proxied(MEMORY, row)?.values.ngrokd, row.values.ngrokd),
      atMost: 64,
    })),
  ];
}

/** Divides the daemon's value by another subject's; undefined if one of them is missing. */
export function ratioTo(other: "direct" | "stunnel" | "haproxy", row: Row): number | undefined {
  return divide(row.values.ngrokd, row.values[other]);
}

function divide(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || !by ? undefined : value / by;
}

function subtract(value: number | undefined, less: number | undefined): number | undefined {
  return value === undefined || less === undefined ? undefined : value - less;
}
