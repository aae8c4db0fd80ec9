import { problemText } from "../config/validation_error.ts";
import { DaemonError, type DaemonFailure } from "../control/client.ts";
import { escapeControls } from "../lib/printable.ts";
import { ConfigError, FileError, hintOf, messageOf } from "../model/errors.ts";
import { safeJson } from "./safe_json.ts";
import { Interrupted, UsageError } from "./usage_error.ts";

/** The exit codes of `ngrokctl`; scripts rely on them. */
export const EXIT = { ok: 0, failure: 1, usage: 2, notRunning: 3, interrupted: 130 } as const;

/** A failure as it is reported, to people and to scripts. */
export interface Failure {
  readonly exitCode: number;
  /** A word that stays the same when the message changes. */
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  /** Text before the message, except in JSON. */
  readonly prefix: "Error: " | "";
  /** Lines between the message and the hint, except in JSON. */
  readonly details: readonly string[];
  /** Text after everything else, except in JSON. */
  readonly usage: string;
}

/** The next step for failures that come without one. */
const DAEMON_HINTS: Partial<Record<DaemonFailure, string>> = {
  absent: "Start it: sudo ngrokd run. For another socket, use --socket PATH",
  denied: "Only root and the group ngrokd may open the socket: try again with sudo",
  timeout: "The daemon may be busy: try again, or read its log",
};
const NOT_CONNECTED: ReadonlySet<DaemonFailure> = new Set([
  "absent",
  "denied",
  "not_capable",
  "unreachable",
]);

/** Returns the failure that a thrown value stands for. */
export function toFailure(error: unknown): Failure {
  const failure: Failure = {
    exitCode: EXIT.failure,
    code: "failure",
    message: messageOf(error),
    hint: hintOf(error) ?? null,
    prefix: "Error: ",
    details: [],
    usage: "",
  };
  if (error instanceof Interrupted) {
    return {
      ...failure,
      exitCode: EXIT.interrupted,
      code: "interrupted",
      message: "Interrupted",
      prefix: "",
    };
  }
  if (error instanceof UsageError) {
    const { hint = null, usage = "", bare } = error;
    return { ...failure, exitCode: EXIT.usage, code: "usage", hint, usage, prefix: bare ? "" : "Error: " };
  }
  if (error instanceof DaemonError) {
    const { code, hint = DAEMON_HINTS[code] ?? null } = error;
    const exitCode = code === "absent" ? EXIT.notRunning : EXIT.failure;
    const details = NOT_CONNECTED.has(code) ? ["Is ngrokd running?"] : [];
    return { ...failure, exitCode, code, hint, details };
  }
  if (error instanceof ConfigError) {
    const details = error.problems.map((problem) => `  ${problemText(problem)}`);
    return { ...failure, code: "config", details };
  }
  return error instanceof FileError ? { ...failure, code: `file_${error.reason}` } : failure;
}

/** Returns the lines for standard error. */
export function failureText({ message, prefix, hint, details, usage }: Failure): string {
  const [first = "", ...rest] = `${prefix}${message}`.split("\n");
  const lines = [first, ...rest.map((line) => `  ${line}`), ...details, ...(hint ?? "").split("\n")];
  const text = lines.filter((line) => line.trim() !== "").map((line) => `${escapeControls(line)}\n`).join("");
  return usage === "" ? text : `${text}\n${usage}`;
}

/** Returns the JSON for standard error. */
export function failureJson({ code, message, hint }: Failure): string {
  return `${safeJson({ schema: 1, error: { code, message, hint } })}\n`;
}
