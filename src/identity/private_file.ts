import { dirname } from "node:path";
import { FileError } from "../model/errors.ts";
import type { FileStat } from "../system/files.ts";

const GROUP_AND_OTHERS = 0o077;
const ROOT = 0;

/** What {@linkcode checkPrivateFile} looks with: `stat` of the path itself, not of what it leads to. */
export interface PrivateFileOptions {
  readonly statPath: (path: string) => Promise<FileStat | undefined>;
}

/**
 * Makes sure that a file with a secret is a plain file that only its owner can open, and that the owner is root or the owner of its
 * directory. (Deno tells a narrow process no user id of its own; who owns the directory could replace the file anyway.)
 *
 * @returns Whether there is such a file.
 * @throws {FileError} With the command that puts it right as the hint.
 */
export async function checkPrivateFile(path: string, options: PrivateFileOptions): Promise<boolean> {
  const stat = await options.statPath(path);
  if (stat === undefined) return false;
  if (stat.kind !== "file") {
    const what = stat.kind === "symlink"
      ? "a symbolic link"
      : `a ${stat.kind === "other" ? "special file" : stat.kind}`;
    const hint = "Put the file itself there; server.client_key may name another place for the key";
    throw new FileError(`Cannot use ${path}: it is ${what}`, { path, reason: "not_regular", hint });
  }
  if ((stat.mode & GROUP_AND_OTHERS) !== 0) {
    const mode = stat.mode.toString(8).padStart(4, "0");
    throw new FileError(`Cannot use ${path}: its mode is ${mode}, so that others can open it`, {
      path,
      reason: "other",
      hint: `Run: chmod 600 ${path}`,
    });
  }
  const owner = (await options.statPath(dirname(path)))?.uid ?? ROOT;
  if (stat.uid !== ROOT && stat.uid !== owner) {
    throw new FileError(
      `Cannot use ${path}: it belongs to user ${stat.uid}, and its directory to user ${owner}`,
      {
        path,
        reason: "other",
        hint: `Run: chown ${owner} ${path}`,
      },
    );
  }
  return true;
}
