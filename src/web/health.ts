import type { HealthReport } from "../model/report.ts";
import type { TextResponse } from "./encode_response.ts";

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";
const PATHS = ["/health", "/healthz", "/ready", "/readyz", "/status"];

/** The response to every other path. */
export const NOT_FOUND: HealthAnswer = {
  status: 404,
  contentType: TEXT,
  body: `not found\n\n${PATHS.join("\n")}\n`,
};

/** Returns true for a path that {@linkcode answerHealth} makes a report of. */
export function isHealthPath(path: string): boolean {
  return PATHS.includes(path);
}

/** Answers a health path (docs/compatibility.md 4.4). A daemon without endpoints is healthy. */
export function answerHealth({ path, json, report }: HealthQuestion): HealthAnswer {
  switch (path) {
    case "/health":
    case "/healthz":
      return answer(report.healthy, report.healthy ? "healthy" : "unhealthy", { json, report });
    case "/ready":
    case "/readyz":
      return answer(report.ready, report.ready ? "ready" : "not ready", { json, report });
    case "/status":
      return { status: 200, contentType: JSON_TYPE, body: `${JSON.stringify(report)}\n` };
    default:
      return NOT_FOUND;
  }
}

/** The request of a health path, and the state that its response depends on. */
export interface HealthQuestion {
  readonly path: string;
  /** True if the client asked for JSON. */
  readonly json: boolean;
  readonly report: HealthReport;
}

/** The response to a health path. */
export type HealthAnswer = TextResponse;

function answer(
  isGood: boolean,
  word: string,
  { json, report }: Pick<HealthQuestion, "json" | "report">,
): HealthAnswer {
  const status = isGood ? 200 : 503;
  if (!json) return { status, contentType: TEXT, body: `${word}\n` };
  const { verdict, summary, reasons } = report;
  return {
    status,
    contentType: JSON_TYPE,
    body: `${JSON.stringify({ status: word, verdict, summary, reasons })}\n`,
  };
}
