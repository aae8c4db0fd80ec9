/** Whether network namespaces cannot be made here. */
export const NEEDS_ROOT: boolean = Deno.build.os !== "linux" || Deno.uid() !== 0 || !canUnshare();

/** What follows the name of a test that makes them. */
export const ROOT_REASON: string = NEEDS_ROOT ? " (skipped: needs root, and network namespaces)" : "";

function canUnshare(): boolean {
  const argv = ["--net", "--mount", "--propagation", "private", "/sbin/ip", "link", "set", "lo", "up"];
  return new Deno.Command("unshare", { args: argv, stderr: "null" }).outputSync().success;
}
