import process from "node:process";

/** The CPU time of this process, milliseconds. It does not depend on the load of the machine. */
export function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
