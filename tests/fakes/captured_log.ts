import { configure, type LogRecord, reset } from "@logtape/logtape";

/** All log records until it is disposed. */
export interface CapturedLog extends AsyncDisposable {
  readonly records: LogRecord[];
  /** The messages of this level, with their properties filled in. */
  readonly lines: (level: LogRecord["level"]) => string[];
}

/** Starts to collect log records. */
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
