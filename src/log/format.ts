import type { LogRecord } from "@logtape/logtape";
import { escapeControls } from "../lib/printable.ts";
import { redact, redactText, redactValue } from "./redact.ts";

const PLACEHOLDER = /\{([a-z_]\w*)\}/gi;

/**
 * Returns one line of the log with its newline: `<time> <LEVEL> <category>: <message>
 * <key>="<value>"…`, or a JSON object. Properties that the message does not show follow it. Secrets
 * are redacted, and control characters are escaped, so that no value can forge a line.
 */
export function formatRecord(record: LogRecord, format: LogFormat): string {
  const properties = redact(record.properties);
  const time = new Date(record.timestamp).toISOString();
  const category = record.category.slice(1).join(".") || "ngrokd";
  const message = render(record, properties);
  if (format === "json") {
    const own = { time, level: record.level, category, message };
    return `${escapeControls(JSON.stringify({ ...own, ...properties, ...own }))}\n`;
  }
  const shown = placeholders(record);
  const rest = Object.entries(properties)
    .filter(([key, value]) => !shown.has(key) && value !== undefined)
    .map(([key, value]) =>
      ` ${key}=${typeof value === "string" ? JSON.stringify(value) : escapeControls(textOf(value))}`
    )
    .join("");
  return `${time} ${record.level.toUpperCase()} ${category}: ${escapeControls(message + rest)}\n`;
}

/** The format of log lines. */
export type LogFormat = "text" | "json";

function render(record: LogRecord, properties: Record<string, unknown>): string {
  const { rawMessage } = record;
  if (typeof rawMessage !== "string") {
    return redactText(record.message.map((part) => textOf(redactValue(part))).join(""));
  }
  const message = rawMessage.replace(
    PLACEHOLDER,
    (whole, key) => Object.hasOwn(properties, key) ? textOf(properties[key]) : whole,
  );
  return redactText(message);
}

function placeholders(record: LogRecord): Set<string> {
  const raw = typeof record.rawMessage === "string" ? record.rawMessage : record.rawMessage.join("");
  return new Set([...raw.matchAll(PLACEHOLDER)].map((match) => match[1]!));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? String(value);
}
