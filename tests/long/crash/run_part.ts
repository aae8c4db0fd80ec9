import { scriptInside } from "../../root/namespace.ts";
import type { CrashReport } from "./report.ts";
import type { Calls } from "./sweep.ts";

/**
 * Runs a part as root in namespaces of its own, which end with all their processes.
 *
 * @throws {Error} If it prints no report.
 */
export async function runPart(part: Part, options: PartOptions = {}): Promise<CrashReport> {
  const { patience = 1 } = options;
  const script = ["tests/long/crash/inside.ts", JSON.stringify(part), String(patience)];
  const pipes = { stdout: "piped", stderr: "piped" } as const;
  const { stdout, stderr } = await scriptInside(script, { env: { NO_COLOR: "1" }, ...pipes }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  try {
    return JSON.parse(text.trimEnd().split("\n").at(-1)!);
  } catch (cause) {
    const output = `${text}${decoder.decode(stderr)}`;
    throw new Error(`No report of the part ${JSON.stringify(part)}: ${output}`, { cause });
  }
}

/** A part of the task, or a piece of one. */
export type Part =
  /** SIGKILL after these system calls on the daemon's files. */
  | { readonly kind: "sweep"; readonly calls: Calls }
  /** SIGKILL at random moments, while endpoints come and go. */
  | { readonly kind: "churn"; readonly kills: number; readonly seed: number }
  /** SIGTERM once and twice, at these moments of a start. */
  | { readonly kind: "stops"; readonly momentsMs: readonly number[] }
  /** Two starts at once. */
  | { readonly kind: "double_starts"; readonly pairs: number };

/** Options of {@linkcode runPart}. */
export interface PartOptions {
  /** The factor of all time limits, for a machine that does other work, too. @default {1} */
  readonly patience?: number;
}
