/** What the system says of a process. */
export interface ProcessFigures {
  readonly descriptors: number;
  readonly rssMiB: number;
  /** User and system time so far. */
  readonly cpuSeconds: number;
}

const TICKS_PER_SECOND = 100;

/** Reads a process's figures from outside, by way of programs: /proc is closed to scoped Deno processes. Linux only. */
export async function processFigures(pid: number): Promise<ProcessFigures> {
  const [status, stat, descriptors] = await Promise.all([
    output(["/bin/cat", `/proc/${pid}/status`]),
    output(["/bin/cat", `/proc/${pid}/stat`]),
    output(["/bin/ls", `/proc/${pid}/fd`]),
  ]);
  // Field 2 is the program's name in parentheses, which may hold spaces; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    descriptors: descriptors.trim().split("\n").length,
    rssMiB: Number(/^VmRSS:\s+([0-9]+)/m.exec(status)?.[1]) / 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
  };
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
