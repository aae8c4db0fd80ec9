import type { FileError } from "../model/errors.ts";
import { codeOf, toFileError } from "./errors.ts";

/**
 * Returns the `stat` of a path without following a final symlink; undefined if it does not exist.
 *
 * @throws {FileError}
 */
export async function statPath(path: string): Promise<FileStat | undefined> {
  try {
    return toFileStat(await Deno.lstat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw toFileError(error, { action: "stat", path });
  }
}

/**
 * Returns the `stat` of the target of a path; undefined if it does not exist.
 *
 * @throws {FileError}
 */
export async function statTarget(path: string): Promise<FileStat | undefined> {
  try {
    return toFileStat(await Deno.stat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw toFileError(error, { action: "stat", path });
  }
}

/** The result of a `stat`. */
export interface FileStat {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  readonly inode: number;
  /** Milliseconds since the epoch. */
  readonly mtimeMs: number;
  /** The time of the last change of content or attributes, which no program can set. */
  readonly ctimeMs: number;
  /** Permission bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Creates a directory and its parents; an existing one is unchanged. @throws {FileError} */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode });
  } catch (error) {
    throw toFileError(error, { action: "create the directory", path });
  }
}

/** Renames a file. @throws {FileError} */
export async function renameFile(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    throw toFileError(error, { action: "rename", path: from });
  }
}

/** Removes a file; a missing file is not an error. @throws {FileError} */
export async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toFileError(error, { action: "remove", path });
  }
}

/** Returns the names in a directory, sorted; none if it does not exist. @throws {FileError} */
export async function listDirectory(path: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
    return names.sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw toFileError(error, { action: "list", path });
  }
}

/** Resolves all symlinks of a path. @throws {FileError} */
export async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    throw toFileError(error, { action: "resolve", path });
  }
}

/** Returns true if a rename failed because the target is a mount point. */
export function isMountPoint(error: FileError): boolean {
  return codeOf(error.cause) === "EBUSY" || codeOf(error.cause) === "EXDEV" ||
    error.cause instanceof Deno.errors.Busy;
}

function toFileStat(info: Deno.FileInfo): FileStat {
  return {
    kind: info.isFile ? "file" : info.isDirectory ? "directory" : info.isSymlink ? "symlink" : "other",
    size: info.size,
    inode: info.ino ?? 0,
    mtimeMs: info.mtime?.getTime() ?? 0,
    ctimeMs: info.ctime?.getTime() ?? 0,
    mode: (info.mode ?? 0) & 0o7777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
  };
}
