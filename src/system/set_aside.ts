import { FileError, type FileFailure, messageOf } from "../model/errors.ts";
import { DAMAGED_SUFFIX } from "../model/state_files.ts";

/** The reasons that stay until somebody changes the file. */
const LASTING: ReadonlySet<FileFailure> = new Set(["not_regular", "unsafe", "too_large"]);

/**
 * Returns true if a file can never be used as it is: what has its name is no regular file, or it is
 * too large, or of the wrong owner or mode. Other errors may pass, and a file that
 * this user may not read can be good for another user.
 */
export function isUnusable(error: unknown): error is FileError {
  return error instanceof FileError && LASTING.has(error.reason);
}

/** Renames a file of any kind to `<path>.bad` and returns what became of it. Never rejects. */
export async function setAside(path: string, files: RenameFiles): Promise<string> {
  try {
    await moveAside(path, files);
    return `it is kept as ${path}${DAMAGED_SUFFIX}`;
  } catch (error) {
    return messageOf(error);
  }
}

/** Renames a file of any kind to `<path>.bad`, in place of an earlier one. @throws {FileError} */
export async function moveAside(path: string, files: RenameFiles): Promise<void> {
  const kept = path + DAMAGED_SUFFIX;
  try {
    await files.renameFile(path, kept);
  } catch (error) {
    // A directory cannot replace a file, and a file no directory.
    const mayBeInTheWay = error instanceof FileError && ["other", "not_regular"].includes(error.reason);
    if (!mayBeInTheWay) throw error;
    await files.removeFile(kept);
    await files.renameFile(path, kept);
  }
}

/** The file operations that setting aside needs. They throw {@linkcode FileError}. */
export interface RenameFiles {
  renameFile(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
}
