/** USER_HZ: the unit of CPU times in /proc. */
const TICKS_PER_SECOND = 100;

/**
 * Reads the CPU seconds of a process and its ended children from a line of /proc/PID/stat (proc(5):
 * utime, stime, cutime, cstime).
 *
 * @throws {TypeError} If the line has another form.
 */
export function parseProcessSeconds(line: string): number {
  // The program's name is in parentheses and may hold spaces and parentheses.
  return sumOf(line.slice(line.lastIndexOf(")") + 2).split(" ").slice(11, 15), 4);
}

/**
 * Reads the CPU seconds that all cores were busy from the first line of /proc/stat (proc(5)): all
 * but idle and iowait. The guest times are part of user and nice.
 *
 * @throws {TypeError} If the line has another form.
 */
export function parseMachineSeconds(line: string): number {
  const [name, ...fields] = line.split(/ +/);
  return sumOf(name === "cpu" ? [...fields.slice(0, 3), ...fields.slice(5, 8)] : [], 6);
}

/** The CPU seconds so far of the whole machine and of each process. */
export interface CpuReading {
  readonly machine: number;
  readonly processes: readonly number[];
}

/**
 * Reads CPU times with `cat`, because Deno needs all permissions to read /proc.
 *
 * @throws {Error} If a process has ended.
 */
export async function readCpu(pids: readonly number[]): Promise<CpuReading> {
  const args = ["/proc/stat", ...pids.map((pid) => `/proc/${pid}/stat`)];
  const { success, stdout, stderr } = await new Deno.Command("/bin/cat", { args }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot read CPU times: ${decoder.decode(stderr).trim()}`);
  const lines = decoder.decode(stdout).trimEnd().split("\n");
  return {
    machine: parseMachineSeconds(lines[0]!),
    processes: lines.slice(-pids.length).map(parseProcessSeconds),
  };
}

function sumOf(ticks: readonly string[], count: number): number {
  if (ticks.length !== count || !ticks.every((tick) => /^[0-9]+$/.test(tick))) {
    throw new TypeError("Cannot read CPU times: the text has another form");
  }
  return ticks.reduce((sum, tick) => sum + Number(tick), 0) / TICKS_PER_SECOND;
}
