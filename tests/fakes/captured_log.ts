import { configure, type LogRecord, reset } from "@logtape/logtape";

/** Everything that is logged, until it is disposed. */
export interface CapturedLog extends AsyncDisposable {
  readonly records: LogRecord[];
  /** The message texts of this level, with their properties filled in. */
  readonly lines: (level: LogRecord["level"]) => string[];
}

/** Collects what is logged. */
export async function captureLog(): Promise<CapturedLog> {
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { records: (record) => void records.push(record) },
    loggers: [
      { category: "ngrokd", sinks: ["records"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: ["records"], lowestLevel: "error" },
    ],
  });
  return {
    records,
    lines: (level) =>
      records.filter((record) => record.level === level).map((record) => record.message.map(String).join("")),
    [Symbol.asyncDispose]: () => reset(),
  };
}
