import { NAMESPACES, OWN_ETC } from "./namespace.ts";

/** Whether namespaces, with an overlay over /etc, cannot be made here. */
export const NEEDS_ROOT: boolean = Deno.build.os !== "linux" || Deno.uid() !== 0 || !canUnshare();

/** What follows the name of a test that makes them. */
export const ROOT_REASON: string = NEEDS_ROOT ? " (skipped: needs root, and namespaces with overlays)" : "";

/** The same for a test that also watches system calls. */
export const NEEDS_STRACE: boolean = NEEDS_ROOT ||
  !succeeds(["strace", "-D", "-f", "-o", "/dev/null", "true"]);

/** What follows its name. */
export const STRACE_REASON: string = NEEDS_ROOT
  ? ROOT_REASON
  : NEEDS_STRACE
  ? " (skipped: needs strace)"
  : "";

function canUnshare(): boolean {
  return succeeds(["unshare", ...NAMESPACES, "/bin/sh", "-ec", OWN_ETC]);
}

/** Through the shell, which does not throw where there is no such program. */
function succeeds(argv: readonly string[]): boolean {
  return new Deno.Command("/bin/sh", { args: ["-c", '"$@"', "sh", ...argv], stderr: "null" }).outputSync()
    .success;
}
