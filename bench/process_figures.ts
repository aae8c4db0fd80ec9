import { parseProcessSeconds } from "./cpu_time.ts";

/**
 * Reads the figures of a process with `cat` and `ls`, because Deno needs all permissions to read
 * /proc. Linux only.
 */
export async function processFigures(pid: number): Promise<ProcessFigures> {
  const [status, stat, descriptors] = await Promise.all([
    output(["/bin/cat", `/proc/${pid}/status`]),
    output(["/bin/cat", `/proc/${pid}/stat`]),
    output(["/bin/ls", `/proc/${pid}/fd`]),
  ]);
  return {
    descriptors: descriptors.trim().split("\n").length,
    rssMiB: mebibytes("VmRSS", status),
    peakRssMiB: mebibytes("VmHWM", status),
    cpuSeconds: parseProcessSeconds(stat),
  };
}

/** Figures of a process from /proc. */
export interface ProcessFigures {
  readonly descriptors: number;
  readonly rssMiB: number;
  /** The peak since {@linkcode resetPeak}, or since the start if the kernel cannot reset it. */
  readonly peakRssMiB: number;
  /** User and system time so far, including ended children. */
  readonly cpuSeconds: number;
}

/** Resets the peak of a process's memory (proc_pid_clear_refs(5)). */
export async function resetPeak(pid: number): Promise<void> {
  await output(["/bin/sh", "-c", 'echo 5 > "/proc/$1/clear_refs" || true', "sh", String(pid)]);
}

/** Returns the only child of a process. @throws {Error} If it has none, or several. */
export async function childOf(pid: number): Promise<number> {
  const child = Number(await output(["pgrep", "-P", String(pid)]));
  if (!Number.isSafeInteger(child)) {
    throw new Error(`Cannot find the child of process ${pid}: it has more than one`);
  }
  return child;
}

function mebibytes(field: string, status: string): number {
  return Number(new RegExp(`^${field}:\\s+([0-9]+)`, "m").exec(status)?.[1]) / 1024;
}

async function output(argv: readonly string[]): Promise<string> {
  const [program, ...args] = argv;
  const { success, stdout, stderr } = await new Deno.Command(program!, {
    args,
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`Cannot run "${argv.join(" ")}": ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
