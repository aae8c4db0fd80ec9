import { escapeControls } from "../../lib/printable.ts";
import { parseHealth } from "../parse_responses.ts";
import { box } from "../box.ts";
import { safeJson } from "../safe_json.ts";
import type { Session } from "../session.ts";

/**
 * Runs `ngrokctl health`: prints the verdict, and the report as JSON under its box, keys sorted
 * (docs/compatibility.md 4.11). As with the Go daemon, a problem in the report is no failure.
 */
export async function health(session: Session): Promise<void> {
  const report = parseHealth(await session.call("health"));
  session.print({ schema: 1, ...report }, () => {
    const lines = safeJson(sortKeys(report)).split("\n").map((line) => `  ${line}\n`);
    return `${escapeControls(report.summary)}\n${box("Daemon Health", 17)}${lines.join("")}\n`;
  });
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}
