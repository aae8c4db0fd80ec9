import type { FileHandle } from "node:fs/promises";
import { FileError } from "../model/errors.ts";
import { TEMPORARY_SUFFIX } from "../model/state_files.ts";
import { toFileError } from "./errors.ts";
import { openFile, openNew, writeAll } from "./open_file.ts";
import { listDirectory, removeFile } from "./paths.ts";

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
 * Removes the temporary files that a killed {@linkcode writeFileAtomic} left in a directory, and
 * returns their paths.
 *
 * @throws {FileError} If the directory cannot be listed, or a file cannot be removed.
 */
export async function removeTemporaries(directory: string): Promise<string[]> {
  const names = await listDirectory(directory);
  const paths = names.filter((name) => name.endsWith(TEMPORARY_SUFFIX)).map((name) => `${directory}/${name}`);
  for (const path of paths) await removeFile(path);
  return paths;
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
    await using file = await openFile(path, { action: "write", follow: true });
    await writeAll(file, bytes);
    await file.truncate(bytes.length);
    await file.sync();
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw toFileError(error, { action: "write", path });
  }
}

async function writeNew(
  path: string,
  bytes: Uint8Array,
  options: { mode: number; owner?: AtomicWriteOptions["owner"] | undefined },
): Promise<void> {
  const { mode, owner } = options;
  await removeQuietly(path);
  await using file = await openNew(path, mode);
  await writeAll(file, bytes);
  await file.chmod(mode);
  if (owner !== undefined) await giveTo(file, owner);
  await file.sync();
}

async function giveTo(file: FileHandle, owner: NonNullable<AtomicWriteOptions["owner"]>): Promise<void> {
  const { uid, gid } = await file.stat();
  // A hardened unit refuses every chown, even one that changes nothing.
  if (uid !== owner.uid || gid !== owner.gid) await file.chown(owner.uid, owner.gid);
}

async function removeQuietly(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // It does not exist, or the following open reports the reason.
  }
}
