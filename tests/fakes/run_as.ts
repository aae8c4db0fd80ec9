/** A user of this machine. */
export interface User {
  readonly uid: number;
  /** @default {uid} */
  readonly gid?: number;
}

/** Starts a program as another user; it is killed at the end of its scope. Needs root. */
export function startAs({ uid, gid = uid }: User, argv: readonly string[]): AsyncDisposable {
  const child = new Deno.Command("setpriv", {
    args: [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--", ...argv],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      try {
        Deno.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      await child.status;
    },
  };
}

/** Runs shell lines as another user, and returns true if they succeed. Needs root. */
export async function succeedsAs({ uid, gid = uid }: User, lines: string): Promise<boolean> {
  const { success } = await new Deno.Command("setpriv", {
    args: [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--", "/bin/sh", "-ec", lines],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
