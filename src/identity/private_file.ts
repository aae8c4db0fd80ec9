import { dirname } from "node:path";
import { FileError } from "../model/errors.ts";
import type { FileStat } from "../system/files.ts";

const GROUP_AND_OTHERS = 0o077;
const ROOT = 0;

/**
 * Checks that a file with a secret is a plain file that only its owner can open, and that the owner
 * is root or the owner of its directory. (Deno shows a process with few permissions no user id of
 * its own; the owner of the directory could replace the file anyway.)
 *
 * @returns True if there is such a file.
 * @throws {FileError} With the command that corrects it as the hint.
 */
export async function checkPrivateFile(path: string, options: PrivateFileOptions): Promise<boolean> {
  const stat = await options.statPath(path);
  if (stat === undefined) return false;
  const { kind, mode, uid } = stat;
  if (kind !== "file") {
    const what = { symlink: "a symbolic link", directory: "a directory", other: "a special file" }[kind];
    const hint = "Put the file itself there, or name another path in server.client_key";
    throw new FileError(`Cannot use ${path}: it is ${what}`, { path, reason: "not_regular", hint });
  }
  if ((mode & GROUP_AND_OTHERS) !== 0) {
    throw new FileError(
      `Cannot use ${path}: its mode is ${mode.toString(8).padStart(4, "0")}, so that others can open it`,
      { path, reason: "other", hint: `Run: chmod 600 ${path}` },
    );
  }
  const owner = (await options.statPath(dirname(path)))?.uid ?? ROOT;
  if (uid !== ROOT && uid !== owner) {
    throw new FileError(
      `Cannot use ${path}: its owner is user ${uid}, the owner of its directory is user ${owner}`,
      { path, reason: "other", hint: `Run: chown ${owner} ${path}` },
    );
  }
  return true;
}

/** Options of {@linkcode checkPrivateFile}. */
export interface PrivateFileOptions {
  /** `stat` of the path itself, not of a link's target. */
  readonly statPath: (path: string) => Promise<FileStat | undefined>;
}
