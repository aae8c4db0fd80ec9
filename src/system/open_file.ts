import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { FileError } from "../model/errors.ts";

/** Windows has none of these flags. */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_DIRECTORY = 0 } = constants;
const SAFE = O_NOFOLLOW | O_NONBLOCK;

/** The number of attempts while another program replaces the file. */
const MAX_ATTEMPTS = 5;

/**
 * Opens an existing regular file. What else has that name is refused before it is opened, because
 * an open of a FIFO can wait for ever and one of a device can have effects. O_NONBLOCK covers a
 * FIFO that appears in between.
 *
 * @throws {FileError} `not_regular`; other errors are the runtime's.
 */
export async function openFile(path: string, options: OpenOptions): Promise<FileHandle> {
  const { action, follow } = options;
  const flags = (follow ? O_NONBLOCK : SAFE) | (action === "write" ? constants.O_WRONLY : constants.O_RDONLY);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const found = await (follow ? Deno.stat(path) : Deno.lstat(path));
    if (!found.isFile) throw notRegular(path, { action, info: found });
    const handle = await open(path, flags);
    // A scoped runtime follows a symlink whatever O_NOFOLLOW says (docs/runtime.md).
    const { dev, ino } = await handle.stat();
    if (Deno.build.os === "windows" || (dev === found.dev && ino === found.ino)) return handle;
    await handle.close();
  }
  throw new FileError(`Cannot ${action} ${path}: another program keeps replacing it`, {
    path,
    reason: "other",
  });
}

/** Options of {@linkcode openFile}. */
export interface OpenOptions {
  /** For the message too. */
  readonly action: "read" | "write";
  /** True opens the target of a symlink, which is refused otherwise. */
  readonly follow: boolean;
}

/**
 * Creates a file that only its owner can open, and opens it to write. Never follows a link.
 *
 * @throws The runtime's error, also if anything has that name.
 */
export function openNew(path: string, mode: number): Promise<FileHandle> {
  return open(path, SAFE | constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode & 0o600);
}

/** Opens a directory, to change it by its descriptor. @throws The runtime's error. */
export function openDirectory(path: string): Promise<FileHandle> {
  return open(path, SAFE | O_DIRECTORY | constants.O_RDONLY);
}

/** Writes all bytes at the current position. @throws The runtime's error. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}

function notRegular(path: string, { action, info }: { action: string; info: Deno.FileInfo }): FileError {
  const what = info.isSymlink ? "a symbolic link" : "not a regular file";
  return new FileError(`Cannot ${action} ${path}: it is ${what}`, { path, reason: "not_regular" });
}
