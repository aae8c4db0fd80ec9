import { type Finding, findingsOf, hasExpired } from "./findings.ts";
import type { JudgedReport, Verdict, VerdictState } from "./report.ts";

/** The width of a terminal. One finding alone may be longer. */
const MAX_COLUMNS = 80;

/**
 * Returns the verdict on a report. `down`: nothing is served. `degraded`: something else is wrong.
 * An account without endpoints is `ok`.
 */
export function judge(report: JudgedReport): Verdict {
  const findings = findingsOf(report);
  const verdict = !isServing(report) ? "down" : findings.length > 0 ? "degraded" : "ok";
  return {
    verdict,
    summary: summarize(verdict, findings),
    reasons: findings.flatMap(({ reasons }) => reasons),
  };
}

/**
 * Returns true if ngrokd serves a list, and a new connection to at least one endpoint of it may
 * succeed.
 */
function isServing(report: JudgedReport): boolean {
  const { stopping, list, active_count, degraded_count, endpoint_count, refused_count } = report;
  if (stopping || list === "none") return false;
  if (endpoint_count + refused_count === 0) return true;
  if (active_count + degraded_count === 0) return false;
  if (report.certificate === null) return false;
  return !hasExpired(report) || isAcceptedAfterExpiry(report);
}

/**
 * Returns true if the clock of this machine must be wrong: the ingress has answered an upgrade
 * after the certificate expired by it.
 */
function isAcceptedAfterExpiry({ certificate, ingress }: JudgedReport): boolean {
  const { state, answered_at } = ingress;
  if (state !== "ok" || certificate === null || answered_at === null) return false;
  return Date.parse(answered_at) > Date.parse(certificate.not_after);
}

/** Returns one line with as many findings as fit. */
function summarize(verdict: VerdictState, findings: readonly Finding[]): string {
  const briefs = [...new Set(findings.map(({ brief }) => brief))];
  for (let count = briefs.length; count > 0; count--) {
    const left = briefs.length - count;
    const line = `${verdict}: ${briefs.slice(0, count).join("; ")}${left === 0 ? "" : `; ${left} more`}`;
    if (line.length <= MAX_COLUMNS || count === 1) return line;
  }
  return verdict;
}
