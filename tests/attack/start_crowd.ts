import type { Crowd } from "./crowd.ts";

const SCRIPT = new URL("./crowd.ts", import.meta.url).pathname;

/**
 * Starts a crowd as a process with the lowest priority, and waits until all its clients have
 * connected. Disposing ends it with all connections.
 *
 * @param wrapper A program that starts it: `nsenter --target=… --net`.
 */
export async function startCrowd(crowd: Crowd, wrapper: readonly string[] = []): Promise<AsyncDisposable> {
  const [program, ...args] = [
    ...wrapper,
    ...["nice", "-n19", Deno.execPath(), "run", "--allow-net", "--no-prompt", "--quiet", "--no-check"],
    ...[SCRIPT, JSON.stringify(crowd)],
  ];
  const child = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped", stderr: "inherit" })
    .spawn();
  const { value } = await child.stdout.getReader().read();
  if (value === undefined) throw new Error("Cannot start the crowd: its output is above");
  return {
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
    },
  };
}
