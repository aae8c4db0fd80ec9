import { NAMESPACES, OWN_ETC } from "../../root/namespace.ts";
import type { CrashReport } from "./report.ts";
import type { Calls } from "./sweep.ts";

/** A part of the proof, or a piece of one. */
export type Part =
  /** SIGKILL after these system calls on its files. */
  | { readonly kind: "sweep"; readonly calls: Calls }
  /** SIGKILL at random moments, while endpoints come and go. */
  | { readonly kind: "churn"; readonly kills: number; readonly seed: number }
  /** SIGTERM once and twice, at these moments of a start. */
  | { readonly kind: "stops"; readonly momentsMs: readonly number[] }
  /** Two starts at once. */
  | { readonly kind: "twins"; readonly pairs: number };

const ROOT = new URL("../../..", import.meta.url).pathname;

/** How a part is judged. */
export interface JudgeOptions {
  /** What each time limit is multiplied with, where the machine is busy with other things too. @default {1} */
  readonly patience?: number;
}

/** Runs a part as root in namespaces of its own, which it cannot outlive. @throws {Error} If it comes to no report. */
export async function runPart(part: Part, options: JudgeOptions = {}): Promise<CrashReport> {
  const { patience = 1 } = options;
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      ...NAMESPACES,
      ...["/bin/sh", "-ec", `/sbin/ip link set lo up\n${OWN_ETC}\n"$@" || exit $?`, "sh"],
      ...[Deno.execPath(), "run", "-P=stage", "--no-prompt", "--no-check", "--quiet"],
      ...["tests/long/crash/inside.ts", JSON.stringify(part), String(patience)],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  try {
    return JSON.parse(text.trimEnd().split("\n").at(-1)!);
  } catch (cause) {
    throw new Error(`${JSON.stringify(part)} came to no report: ${text}${decoder.decode(stderr)}`, { cause });
  }
}
