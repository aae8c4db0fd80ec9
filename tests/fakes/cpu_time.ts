import process from "node:process";

/**
 * The CPU time of this thread, milliseconds. Neither other test files nor other processes count.
 */
export function cpuTimeMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
