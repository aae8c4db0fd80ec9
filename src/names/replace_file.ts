import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import { FileError } from "../model/errors.ts";

const NEW_FILE_MODE = 0o644;

/**
 * Replaces a file if it still has the bytes that were read. Mode and owner stay; a symlink is
 * written through. A file that cannot be replaced as a whole (a mount point, a directory without
 * the right to write) is overwritten in place.
 *
 * @throws {FileError} The file is as it was.
 */
export async function replaceFile(
  path: string,
  replacement: Replacement & ReplaceOptions,
): Promise<ReplaceResult> {
  const { old, next, files, temporary, maxBytes } = replacement;
  const isOvertaken = async () => !areSame(await files.readBytesIfAny(path, maxBytes), old);
  const { realPath, ...attributes } = await findReplaced(path, files);
  // A symlink can lead to a directory in which another user chooses what is written.
  await files.checkDirectory(dirname(realPath));
  try {
    await files.createFile(temporary, next, attributes);
    const overtaken = await isOvertaken();
    if (!overtaken) await files.renameFile(temporary, realPath);
    else await files.removeFile(temporary);
    return overtaken ? "overtaken" : "replaced";
  } catch (error) {
    await removeTemporary(temporary, files);
    if (old === undefined || !(error instanceof FileError) || !isIrreplaceable(error, files)) throw error;
  }
  if (await isOvertaken()) return "overtaken";
  try {
    await files.writeFileInPlace(path, next);
  } catch (error) {
    // The old bytes still have their blocks, so this works on a full disk too.
    await files.writeFileInPlace(path, old).catch(() => {});
    throw error;
  }
  return "in_place";
}

/** `overtaken`: the file no longer has the bytes that were read, and was left alone. */
export type ReplaceResult = "replaced" | "in_place" | "overtaken";

/** The bytes that were read (undefined: there was no file), and the new ones. */
export interface Replacement {
  readonly old: Uint8Array | undefined;
  readonly next: Uint8Array;
}

/** Options of {@linkcode replaceFile}. */
export interface ReplaceOptions {
  readonly files: ReplaceFileSystem;
  /** The path of the temporary file. */
  readonly temporary: string;
  readonly maxBytes: number;
}

/** The file operations that replacing needs. All throw {@linkcode FileError}. */
export interface ReplaceFileSystem {
  /** Does not follow a final symlink; undefined if there is no file. */
  statPath(path: string): Promise<Stat | undefined>;
  /** Follows symlinks; undefined if there is no file. */
  statTarget(path: string): Promise<Stat | undefined>;
  realPath(path: string): Promise<string>;
  /** Rejects, as root, if another user can place or replace files in the directory. */
  checkDirectory(path: string): Promise<unknown>;
  /** Reads regular files only; undefined if there is no file. */
  readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Creates a file and flushes it to the disk, after removing what has the same name. */
  createFile(path: string, bytes: Uint8Array, options: { mode: number; owner?: Owner }): Promise<void>;
  renameFile(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  writeFileInPlace(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Returns true if a rename failed because its target is a mount point or on another file system.
   */
  isMountPoint(error: FileError): boolean;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface Stat extends Owner {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly mode: number;
}

/** Removes the temporary file of a run that was killed. One that cannot be removed does no harm. */
export async function removeTemporary(temporary: string, files: ReplaceFileSystem): Promise<void> {
  try {
    await files.removeFile(temporary);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
  }
}

async function findReplaced(
  path: string,
  files: ReplaceFileSystem,
): Promise<{ realPath: string; mode: number; owner?: Owner }> {
  const isLink = (await files.statPath(path))?.kind === "symlink";
  const stat = await files.statTarget(path);
  if (stat === undefined) {
    if (isLink) {
      throw new FileError(`Cannot write ${path}: it is a dangling symlink`, { path, reason: "missing" });
    }
    return { realPath: path, mode: NEW_FILE_MODE };
  }
  const realPath = isLink ? await files.realPath(path) : path;
  return { realPath, mode: stat.mode, owner: { uid: stat.uid, gid: stat.gid } };
}

function isIrreplaceable(error: FileError, files: ReplaceFileSystem): boolean {
  return files.isMountPoint(error) || error.reason === "denied" || error.reason === "read_only" ||
    error.reason === "not_capable";
}

function areSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}
