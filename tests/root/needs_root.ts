import { createLines } from "./memory_cgroup.ts";
import { NAMESPACES, OWN_ETC } from "./namespace.ts";

/** True if this process cannot create namespaces with an overlay over /etc. */
export const NEEDS_ROOT: boolean = Deno.build.os !== "linux" || Deno.uid() !== 0 || !canUnshare();

/** The end of the name of a test that creates them. */
export const ROOT_REASON: string = NEEDS_ROOT ? " (skipped: needs root, and namespaces with overlays)" : "";

/** True if this process cannot create namespaces, or cannot trace system calls. */
export const NEEDS_STRACE: boolean = NEEDS_ROOT ||
  !succeeds(["strace", "-D", "-f", "-o", "/dev/null", "true"]);

/** The end of the name of a test that traces system calls. */
export const STRACE_REASON: string = NEEDS_STRACE ? ROOT_REASON || " (skipped: needs strace)" : "";

/** True if this process cannot create namespaces, or a cgroup with a limit of memory. */
export const NEEDS_CGROUP: boolean = NEEDS_ROOT ||
  !succeeds(["/bin/sh", "-ec", `${createLines(64)}\nrmdir "$at"`]);

/** The end of the name of a test that creates one. */
export const CGROUP_REASON: string = NEEDS_CGROUP ? ROOT_REASON || " (skipped: needs a memory cgroup)" : "";

function canUnshare(): boolean {
  return succeeds(["unshare", ...NAMESPACES, "/bin/sh", "-ec", OWN_ETC]);
}

/** The shell does not throw if the program is missing. */
function succeeds(argv: readonly string[]): boolean {
  return new Deno.Command("/bin/sh", { args: ["-c", '"$@"', "sh", ...argv], stderr: "null" }).outputSync()
    .success;
}
