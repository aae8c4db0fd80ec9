import { Buffer } from "node:buffer";
import { FileError } from "../model/errors.ts";

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface Stat extends Owner {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly mode: number;
}

/** The verbs on files that keeping a hosts file takes. All throw {@linkcode FileError}. */
export interface HostsFileSystem {
  /** Does not follow a final symlink; undefined if nothing is there. */
  statPath(path: string): Promise<Stat | undefined>;
  /** Follows symlinks; undefined if nothing is there. */
  statTarget(path: string): Promise<Stat | undefined>;
  realPath(path: string): Promise<string>;
  /** Regular files only; undefined if nothing is there. */
  readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** A new file, on the disk; what stood under the name goes first. */
  createFile(path: string, bytes: Uint8Array, options: { mode: number; owner?: Owner }): Promise<void>;
  renameFile(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  writeFileInPlace(path: string, bytes: Uint8Array): Promise<void>;
  /** Whether a rename failed because its target is a mount point or on another file system. */
  isMountPoint(error: FileError): boolean;
}

/** The file as it was read (undefined: there was none), and as it shall be. */
export interface Replacement {
  readonly old: Uint8Array | undefined;
  readonly next: Uint8Array;
}

/** What replacing takes. */
export interface ReplaceOptions {
  readonly files: HostsFileSystem;
  /** The temporary file's path. */
  readonly temporary: string;
  readonly maxBytes: number;
}

/** `overtaken`: the file is not what it was when it was read, and was left alone. */
export type ReplaceResult = "replaced" | "in_place" | "overtaken";

const NEW_FILE_MODE = 0o644;

/**
 * Replaces a file if it still is what was read. Mode and owner stay; a symlink is written through. Where the file cannot be replaced as a
 * whole (a mount point, a directory that cannot be written) it is overwritten where it stands.
 *
 * @throws {FileError} The file is as it was.
 */
export async function replaceFile(
  path: string,
  replacement: Replacement & ReplaceOptions,
): Promise<ReplaceResult> {
  const { old, next, files, temporary, maxBytes } = replacement;
  const isOvertaken = async () => !areSame(await files.readBytesIfAny(path, maxBytes), old);
  const { target, ...attributes } = await lookAt(path, files);
  try {
    await files.createFile(temporary, next, attributes);
    const overtaken = await isOvertaken();
    if (!overtaken) await files.renameFile(temporary, target);
    else await files.removeFile(temporary);
    return overtaken ? "overtaken" : "replaced";
  } catch (error) {
    await removeStray(temporary, files);
    if (old === undefined || !(error instanceof FileError) || !mustStay(error, files)) throw error;
  }
  if (await isOvertaken()) return "overtaken";
  try {
    await files.writeFileInPlace(path, next);
  } catch (error) {
    // The old bytes have their room on the disk, also when the disk is full.
    await files.writeFileInPlace(path, old).catch(() => {});
    throw error;
  }
  return "in_place";
}

/** Removes the temporary file of a run that was killed; one that cannot be removed does no harm. */
export async function removeStray(temporary: string, files: HostsFileSystem): Promise<void> {
  try {
    await files.removeFile(temporary);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
  }
}

async function lookAt(
  path: string,
  files: HostsFileSystem,
): Promise<{ target: string; mode: number; owner?: Owner }> {
  const link = (await files.statPath(path))?.kind === "symlink";
  const stat = await files.statTarget(path);
  if (stat === undefined) {
    if (link) {
      throw new FileError(`Cannot write ${path}: it is a link to nothing`, { path, reason: "missing" });
    }
    return { target: path, mode: NEW_FILE_MODE };
  }
  const target = link ? await files.realPath(path) : path;
  return { target, mode: stat.mode, owner: { uid: stat.uid, gid: stat.gid } };
}

function mustStay(error: FileError, files: HostsFileSystem): boolean {
  return files.isMountPoint(error) || error.reason === "denied" || error.reason === "read_only" ||
    error.reason === "not_capable";
}

function areSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}
