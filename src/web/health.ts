import type { HealthReport } from "../model/report.ts";

/** What a health path answers. */
export interface HealthAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What the answer depends on. */
export interface HealthQuestion {
  readonly path: string;
  /** Whether the client asked for JSON. */
  readonly json: boolean;
  readonly report: HealthReport;
}

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";
const PATHS = ["/health", "/healthz", "/ready", "/readyz", "/status"];

/** The answer of a health path (COMPAT.md 4.4 and its departures: no endpoints is not unhealthy). */
export function answerHealth({ path, json, report }: HealthQuestion): HealthAnswer {
  switch (path) {
    case "/health":
    case "/healthz":
      return verdict(report.healthy, report.healthy ? "healthy" : "unhealthy", { json, report });
    case "/ready":
    case "/readyz":
      return verdict(report.ready, report.ready ? "ready" : "not ready", { json, report });
    case "/status":
      return { status: 200, contentType: JSON_TYPE, body: `${JSON.stringify(report)}\n` };
    default:
      return { status: 404, contentType: TEXT, body: `not found\n\n${PATHS.join("\n")}\n` };
  }
}

function verdict(
  good: boolean,
  word: string,
  { json, report }: { json: boolean; report: HealthReport },
): HealthAnswer {
  const status = good ? 200 : 503;
  if (!json) return { status, contentType: TEXT, body: `${word}\n` };
  return {
    status,
    contentType: JSON_TYPE,
    body: `${JSON.stringify({ status: word, reasons: report.reasons })}\n`,
  };
}
