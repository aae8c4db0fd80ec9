import { PROGRAMS_VARIABLE, withPrograms } from "../lib/own_commands.ts";
import type { System } from "../system/system.ts";

/** Returns a function that writes a line of the log, with commands as they work here. */
export function logWriter(system: Pick<System, "logOutput" | "readEnvironment">): (line: string) => void {
  const directory = system.readEnvironment(PROGRAMS_VARIABLE);
  return (line) => system.logOutput.write(withPrograms(line, directory));
}
