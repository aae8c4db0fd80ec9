import { configureSync, type LogLevel } from "@logtape/logtape";
import { formatRecord, type LogFormat } from "./format.ts";

const LEVELS: Readonly<Record<LogOptions["level"], LogLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};

/** Sends the log of the whole program to `write`; a second call replaces the first. */
export function configureLog(options: LogOptions): void {
  const { level, format, write } = options;
  configureSync({
    reset: true,
    sinks: { out: (record) => write(formatRecord(record, format)) },
    loggers: [
      { category: ["ngrokd"], lowestLevel: LEVELS[level], sinks: ["out"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["out"] },
    ],
  });
}

/** Options of {@linkcode configureLog}. */
export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: LogFormat;
  /** Takes one finished line. */
  readonly write: (line: string) => void;
}
