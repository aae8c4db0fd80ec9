import { totalmem } from "node:os";
import { constrainedMemory } from "node:process";

/**
 * Returns the memory in bytes that this process may use: the limit of its cgroup, else a quarter of
 * the machine's memory (docs/runtime.md Memory).
 */
export function memoryLimit(): number {
  const total = totalmem();
  const constrained = constrainedMemory();
  // Without a limit, cgroup v2 gives 0 and cgroup v1 a number of 63 bits.
  return constrained > 0 && constrained < total ? constrained : total / 4;
}
