import { FileError } from "../model/errors.ts";
import { TEMPORARY_SUFFIX } from "../model/state_files.ts";
import { writeAll } from "./byte_stream.ts";
import { codeOf, toFileError } from "./errors.ts";

/**
 * Reads a text file of at most `maxBytes`.
 *
 * @throws {FileError} `missing`, `denied`, `not_regular` (a FIFO is not waited on), …
 */
export async function readText(path: string, maxBytes = 16 * 1024 * 1024): Promise<string> {
  try {
    await checkReadable(path, maxBytes);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw toFileError(error, { action: "read", path });
  }
}

/**
 * Reads a file of at most `maxBytes`. Returns undefined if it does not exist.
 *
 * @throws {FileError} `denied`, `not_regular` (a FIFO is not waited on), …
 */
export async function readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  try {
    await checkReadable(path, maxBytes);
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof FileError) throw error;
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw toFileError(error, { action: "read", path });
  }
}

/** Reads a text file; returns undefined if it does not exist. @throws {FileError} */
export async function readTextIfAny(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof FileError && error.reason === "missing") return undefined;
    throw error;
  }
}

/**
 * Replaces a file atomically: temporary file beside it, write, mode, fsync, rename. Readers see the
 * old or the new content, also after a crash at any point. A leftover temporary file is removed
 * first.
 *
 * @throws {FileError} The old file is unchanged.
 */
export async function writeFileAtomic(
  path: string,
  text: string,
  options: AtomicWriteOptions,
): Promise<void> {
  const { mode, owner, temporary = path + TEMPORARY_SUFFIX } = options;
  try {
    await writeNew(temporary, new TextEncoder().encode(text), { mode, owner });
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeQuietly(temporary);
    throw toFileError(error, { action: "write", path });
  }
}

/** Options of {@linkcode writeFileAtomic}. */
export interface AtomicWriteOptions {
  readonly mode: number;
  /** Owner and group of the new file; only root can change them. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** The name of the temporary file. @default {`<path>.ngrokd.tmp`} */
  readonly temporary?: string;
}

/**
 * Removes the temporary files that a killed {@linkcode writeFileAtomic} left in a directory.
 *
 * @throws {FileError} If the directory cannot be listed, or a file cannot be removed.
 */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await listDirectory(directory)) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await removeFile(`${directory}/${name}`);
  }
}

/**
 * Creates a file with this content, mode and owner, and syncs it. An existing file or link of that
 * name is removed first and never followed.
 *
 * @throws {FileError} Nothing of that name is left.
 */
export async function createFile(path: string, bytes: Uint8Array, options: CreateOptions): Promise<void> {
  try {
    await writeNew(path, bytes, options);
  } catch (error) {
    await removeQuietly(path);
    throw toFileError(error, { action: "write", path });
  }
}

/** Options of {@linkcode createFile}. */
export type CreateOptions = Pick<AtomicWriteOptions, "mode" | "owner">;

/**
 * Overwrites a file in place, for files that cannot be replaced by rename (bind mounts). Not
 * atomic.
 *
 * @throws {FileError} If it cannot be written; `not_regular` (a FIFO is not waited on), …
 */
export async function writeFileInPlace(path: string, bytes: Uint8Array): Promise<void> {
  try {
    const info = await Deno.stat(path);
    if (!info.isFile) {
      throw new FileError(`Cannot write ${path}: it is not a regular file`, { path, reason: "not_regular" });
    }
    using file = await Deno.open(path, { write: true });
    await writeAll(file, bytes);
    await file.truncate(bytes.length);
    await file.sync();
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw toFileError(error, { action: "write", path });
  }
}

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
    mode: (info.mode ?? 0) & 0o7777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
  };
}

async function writeNew(
  path: string,
  bytes: Uint8Array,
  options: { mode: number; owner?: AtomicWriteOptions["owner"] | undefined },
): Promise<void> {
  const { mode, owner } = options;
  await removeQuietly(path);
  using file = await Deno.open(path, { write: true, createNew: true, mode: mode & 0o600 });
  await writeAll(file, bytes);
  await Deno.chmod(path, mode);
  if (owner !== undefined) {
    const created = await file.stat();
    // A hardened unit refuses every chown, even one that changes nothing.
    if (created.uid !== owner.uid || created.gid !== owner.gid) await Deno.chown(path, owner.uid, owner.gid);
  }
  await file.sync();
}

async function removeQuietly(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // It does not exist, or the following open reports the reason.
  }
}

/** Refuses a FIFO, whose open would block, and a file that is too large, before they are opened. */
async function checkReadable(path: string, maxBytes: number): Promise<void> {
  const info = await Deno.stat(path);
  if (!info.isFile) {
    throw new FileError(`Cannot read ${path}: it is not a regular file`, { path, reason: "not_regular" });
  }
  if (info.size > maxBytes) {
    throw new FileError(`Cannot read ${path}: it is larger than ${maxBytes} bytes`, {
      path,
      reason: "other",
    });
  }
}
