const ROOT = new URL("../..", import.meta.url).pathname;

/** Runs a test file in namespaces of its own, which end with all their processes. */
export async function runInside(
  file: string | URL,
  options: InsideOptions = {},
): Promise<{ code: number; text: string }> {
  const { filter, env = {} } = options;
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: unshareArgs([
      ...[Deno.execPath(), "test", options.etc ? "-P=stage" : "-P=test"],
      ...["--no-prompt", "--no-check", "--quiet"],
      ...(filter === undefined ? [] : [`--filter=${filter}`]),
      new URL(file, import.meta.url).pathname,
    ], options),
    cwd: ROOT,
    env: { ...env, [INSIDE]: "1", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/**
 * A command that runs a script of the project with these arguments in namespaces of its own, with
 * an /etc and a /run that it may change.
 */
export function scriptInside(script: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
  const program = [Deno.execPath(), "run", "-P=stage", "--no-prompt", "--no-check", "--quiet", ...script];
  const args = unshareArgs(program, { etc: true });
  return new Deno.Command("unshare", { ...options, args, cwd: ROOT, stdin: "null" });
}

function unshareArgs(program: readonly string[], options: InsideOptions): string[] {
  const { prelude = "", etc = false } = options;
  const script = `/sbin/ip link set lo up\n${etc ? OWN_ETC : ""}${prelude}\n"$@" || exit $?`;
  // The shell stays, because the first process of a namespace must collect orphans.
  return [...NAMESPACES, "/bin/sh", "-ec", script, "sh", ...program];
}

/** Options of {@linkcode runInside}. */
export interface InsideOptions {
  /** Shell lines that run first; `set -- … "$@"` wraps the test run. */
  readonly prelude?: string;
  /** True gives the tests an /etc that they may change, over the real one, and an empty /run. */
  readonly etc?: boolean;
  /** Runs only tests whose name contains it, or matches `/it/`. */
  readonly filter?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The variable that marks the processes of {@linkcode runInside}. */
export const INSIDE = "NGROKD_TEST_INSIDE";

/** Shell lines for an /etc that may be changed, over the real one, and an empty /run. */
export const OWN_ETC = `
mount -t tmpfs tmpfs /mnt
mkdir /mnt/etc /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
mount -t tmpfs tmpfs /run
`;

/** Arguments of `unshare`: network, mounts, host name and processes, all of which end together. */
export const NAMESPACES: readonly string[] = [
  ...["--net", "--mount", "--propagation", "private", "--uts"],
  ...["--pid", "--mount-proc", "--fork", "--kill-child"],
];
