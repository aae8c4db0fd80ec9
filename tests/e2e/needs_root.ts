/** The namespaces of a stage that runs the programs as shipped, made and left again. */
const NAMESPACES = `
d=$(mktemp -d /tmp/ngrokd-probe.XXXXXX)
trap 'rm -rf "$d"' EXIT
mkdir "$d/upper" "$d/work"
unshare --mount --uts --propagation private mount -t overlay overlay -o lowerdir=/etc,upperdir="$d/upper",workdir="$d/work" /etc
`;

/** Whether the programs cannot be run here as they ship, on their default paths. */
export const NEEDS_ROOT: boolean = Deno.build.os !== "linux" || Deno.uid() !== 0 || !succeeds(NAMESPACES);

/** What follows the name of a test that runs them. */
export const ROOT_REASON: string = NEEDS_ROOT
  ? " (skipped: needs root, and mount namespaces with overlays)"
  : "";

/** The same for a test that also watches system calls. */
export const NEEDS_STRACE: boolean = NEEDS_ROOT || !succeeds("strace -D -f -o /dev/null true");

/** What follows its name. */
export const STRACE_REASON: string = NEEDS_ROOT
  ? ROOT_REASON
  : NEEDS_STRACE
  ? " (skipped: needs strace)"
  : "";

function succeeds(script: string): boolean {
  return new Deno.Command("/bin/sh", { args: ["-ec", script], stderr: "null" }).outputSync().success;
}
