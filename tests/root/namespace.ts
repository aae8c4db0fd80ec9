const ROOT = new URL("../..", import.meta.url).pathname;

/** How a suite is run in namespaces of its own: network, mounts, processes, host name. */
export interface InsideOptions {
  /** Shell lines that set the stage; `set -- … "$@"` wraps the run. `lo` is up. */
  readonly prelude?: string;
  /** An /etc that may be changed, over the real one, and an empty /run. */
  readonly etc?: boolean;
  /** Only tests whose name has it, or matches `/it/`. */
  readonly filter?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Shell: an /etc that may be changed, over the real one, and an empty /run. */
export const OWN_ETC = `
mount -t tmpfs tmpfs /mnt
mkdir /mnt/etc /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
mount -t tmpfs tmpfs /run
`;

/** What follows `unshare`; a process that is left at the end goes with its namespace. */
export const NAMESPACES: readonly string[] = [
  ...["--net", "--mount", "--propagation", "private", "--uts"],
  ...["--pid", "--mount-proc", "--fork", "--kill-child"],
];

/** Runs a test file (a path from this folder) in namespaces of its own; no process of it, and nothing that it does to network or mounts, outlives it. */
export async function testInside(
  file: string,
  options: InsideOptions = {},
): Promise<{ code: number; text: string }> {
  const { prelude = "", etc = false, filter, env = {} } = options;
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      ...NAMESPACES,
      // The shell stays: the first process of a namespace has to collect those that lost their parent.
      ...[
        "/bin/sh",
        "-ec",
        `/sbin/ip link set lo up\n${etc ? OWN_ETC : ""}${prelude}\n"$@" || exit $?`,
        "sh",
      ],
      ...[Deno.execPath(), "test", etc ? "-P=stage" : "-P=test", "--no-prompt", "--no-check", "--quiet"],
      ...(filter === undefined ? [] : [`--filter=${filter}`]),
      new URL(file, import.meta.url).pathname,
    ],
    cwd: ROOT,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}
