import { DaemonError } from "../control/client.ts";
import { ConfigError, FileError, hintOf, messageOf } from "../model/errors.ts";
import { problemText } from "./problem_text.ts";
import { safeJson, safeText } from "./safe_text.ts";
import { UsageError } from "./usage_error.ts";

/** The exit codes of `ngrokctl`; scripts rely on them. */
export const EXIT = { ok: 0, failure: 1, usage: 2, notRunning: 3 } as const;

/** A failure as it is reported, to people and to scripts. */
export interface Failure {
  readonly exitCode: number;
  /** A word that stays the same when the message changes. */
  readonly code: string;
  readonly message: string;
  /** What stands before the message in text. */
  readonly prefix: "Error: " | "";
  readonly hint: string | null;
  /** What stands before the hint or after it, in text only. */
  readonly details: readonly string[];
  readonly usage: string;
}

/** What a thrown value means for the user. */
export function toFailure(error: unknown): Failure {
  const message = messageOf(error);
  if (error instanceof UsageError) {
    const { hint = null, usage = "", bare } = error;
    return {
      exitCode: EXIT.usage,
      code: "usage",
      message,
      prefix: bare ? "" : "Error: ",
      hint,
      details: [],
      usage,
    };
  }
  if (error instanceof DaemonError) {
    const exitCode = error.code === "absent" ? EXIT.notRunning : EXIT.failure;
    const hint = error.hint ?? daemonHint(error);
    const details = isConnectFailure(error) ? ["Is ngrokd running?"] : [];
    return { exitCode, code: error.code, message, prefix: "Error: ", hint, details, usage: "" };
  }
  const details = error instanceof ConfigError
    ? error.problems.map((problem) => `  ${problemText(problem)}`)
    : [];
  const hint = hintOf(error) ?? null;
  return {
    exitCode: EXIT.failure,
    code: codeOf(error),
    message,
    prefix: "Error: ",
    hint,
    details,
    usage: "",
  };
}

/** The lines for standard error. */
export function failureText({ message, prefix, hint, details, usage }: Failure): string {
  const [first = "", ...rest] = `${prefix}${message}`.split("\n");
  const lines = [first, ...rest.map((line) => `  ${line}`), ...details, ...(hint ?? "").split("\n")];
  const text = lines.filter((line) => line.trim() !== "").map((line) => `${safeText(line)}\n`).join("");
  return usage === "" ? text : `${text}\n${usage}`;
}

/** The JSON for standard error. */
export function failureJson({ code, message, hint }: Failure): string {
  return `${safeJson({ schema: 1, error: { code, message, hint } })}\n`;
}

function isConnectFailure(error: DaemonError): boolean {
  return ["absent", "denied", "not_capable", "unreachable"].includes(error.code);
}

function daemonHint({ code }: DaemonError): string | null {
  switch (code) {
    case "absent":
      return "Start it: sudo systemctl start ngrokd (or: sudo ngrokd run); if its socket is elsewhere, name it with --socket";
    case "denied":
      return "Its socket is for root and the group ngrokd. Use sudo, or: sudo usermod -aG ngrokd $USER, and log in again";
    case "timeout":
      return "It may be busy: try again, or look at its log";
    default:
      return null;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof ConfigError) return "config";
  if (error instanceof FileError) return `file_${error.reason}`;
  return "failure";
}
