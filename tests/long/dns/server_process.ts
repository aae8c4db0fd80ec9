import { Child } from "../../../bench/child.ts";
import { readLines } from "../../../sim/read_lines.ts";

const MAIN = new URL("./server_main.ts", import.meta.url).pathname;

/**
 * Starts the DNS server as a process with no more permissions than the daemon has.
 *
 * @param stack Takes the process.
 */
export async function startServer(
  stack: AsyncDisposableStack,
  options: { upstreamPort?: number } = {},
): Promise<{ child: Child; port: number }> {
  const { upstreamPort } = options;
  const child = new Child(stack, [
    ...[Deno.execPath(), "run", "--no-prompt", "--quiet", "--allow-net=0.0.0.0/0", MAIN],
    ...(upstreamPort === undefined ? [] : [`${upstreamPort}`]),
  ]);
  const { value } = await readLines(child.stdout).next();
  if (value === undefined) throw await child.failure();
  return { child, port: (JSON.parse(value) as { port: number }).port };
}
