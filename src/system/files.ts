import { FileError } from "../model/errors.ts";
import { codeOf, toFileError } from "./errors.ts";

/** What a `stat` tells about a file. */
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

/** Options of {@linkcode writeFileAtomic}. */
export interface AtomicWriteOptions {
  readonly mode: number;
  /** Owner and group for the new file; only root can give a file away. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** The name of the temporary file. @default {`<path>.tmp`} */
  readonly temporary?: string;
}

/**
 * Reads a text file; at most `maxBytes`.
 *
 * @throws {FileError} `missing`, `denied`, `not_regular` (a FIFO is not waited on), …
 */
export async function readText(path: string, maxBytes = 16 * 1024 * 1024): Promise<string> {
  try {
    const info = await Deno.stat(path);
    if (!info.isFile) throw new FileError(`Cannot read ${path}: it is not a regular file`, { path, reason: "not_regular" });
    if (info.size > maxBytes) throw new FileError(`Cannot read ${path}: it is larger than ${maxBytes} bytes`, { path, reason: "other" });
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw toFileError(error, "read", path);
  }
}

/** Reads a text file that may not be there. @throws {FileError} For every other failure. */
export async function readTextIfAny(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof FileError && error.reason === "missing") return undefined;
    throw error;
  }
}

/**
 * Replaces a file as a whole: temporary file beside it, write, mode, fsync, rename. Readers see the old bytes or the new ones, also after
 * a crash at any point; a stray temporary file of an earlier crash is removed first.
 *
 * @throws {FileError} The old file is as it was.
 */
export async function writeFileAtomic(path: string, text: string, options: AtomicWriteOptions): Promise<void> {
  const { mode, owner, temporary = `${path}.tmp` } = options;
  try {
    await removeQuietly(temporary);
    try {
      using file = await Deno.open(temporary, { write: true, createNew: true, mode: mode & 0o600 });
      await writeAll(file, new TextEncoder().encode(text));
      await Deno.chmod(temporary, mode);
      if (owner !== undefined) await Deno.chown(temporary, owner.uid, owner.gid);
      await file.sync();
    } catch (error) {
      await removeQuietly(temporary);
      throw error;
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeQuietly(temporary);
    throw toFileError(error, "write", path);
  }
}

/**
 * Overwrites a file where it stands, for files that cannot be renamed onto (bind mounts). Not atomic.
 *
 * @throws {FileError} If it cannot be written.
 */
export async function writeFileInPlace(path: string, text: string): Promise<void> {
  try {
    using file = await Deno.open(path, { write: true });
    const bytes = new TextEncoder().encode(text);
    await writeAll(file, bytes);
    await file.truncate(bytes.length);
    await file.sync();
  } catch (error) {
    throw toFileError(error, "write", path);
  }
}

/** `stat` without following a final symlink; undefined if nothing is there. @throws {FileError} */
export async function statPath(path: string): Promise<FileStat | undefined> {
  try {
    return toFileStat(await Deno.lstat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw toFileError(error, "look at", path);
  }
}

/** `stat` of what a path leads to; undefined if nothing is there. @throws {FileError} */
export async function statTarget(path: string): Promise<FileStat | undefined> {
  try {
    return toFileStat(await Deno.stat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw toFileError(error, "look at", path);
  }
}

/** Makes a directory and its parents; one that exists is left as it is. @throws {FileError} */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode });
  } catch (error) {
    throw toFileError(error, "make the directory", path);
  }
}

/** Moves a file. @throws {FileError} */
export async function renameFile(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    throw toFileError(error, "rename", from);
  }
}

/** Removes a file that may not be there. @throws {FileError} */
export async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toFileError(error, "remove", path);
  }
}

/** The names in a directory, sorted; empty if there is no such directory. @throws {FileError} */
export async function listDirectory(path: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
    return names.sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw toFileError(error, "list", path);
  }
}

/** Where a path really leads. @throws {FileError} */
export async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    throw toFileError(error, "resolve", path);
  }
}

/** Whether a rename failed because the target is a mount point. */
export function isMountPoint(error: FileError): boolean {
  return codeOf(error.cause) === "EBUSY" || codeOf(error.cause) === "EXDEV" || error.cause instanceof Deno.errors.Busy;
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

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

async function removeQuietly(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // Not there, or the open that follows says why.
  }
}
