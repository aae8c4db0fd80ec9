import process from "node:process";

/** The CPU time of this process so far, milliseconds: a measure of work that a busy machine does not change. */
export function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
