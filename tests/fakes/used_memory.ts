import v8 from "node:v8";
import vm from "node:vm";

/** Returns the bytes of all objects and buffers of this process that are in use. */
export function usedMemory(): number {
  v8.setFlagsFromString("--expose-gc");
  vm.runInNewContext("gc")();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
