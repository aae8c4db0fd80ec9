import { BindError } from "../model/errors.ts";
import { toBindError } from "./errors.ts";
import { prepareDirectory } from "./socket_directory.ts";

/**
 * Takes a lock that ends with this process, and removes its file at the end. The directory is
 * created by {@linkcode prepareDirectory}.
 *
 * @throws {BindError} `in_use` if another process holds it; `denied` if others can enter the
 * directory.
 */
export async function holdLock(path: string, options: LockOptions = {}): Promise<AsyncDisposable> {
  await prepareDirectory(path, options.group);
  for (;;) {
    const handle = await lockFile(path);
    // The former owner may have removed the file in the meantime. Then the locked file has no path.
    if (!await hasPath(handle, path)) {
      handle.close();
      continue;
    }
    return {
      async [Symbol.asyncDispose]() {
        // A lock file that somebody removed protects nothing.
        await Deno.remove(path).catch(() => {});
        handle.close();
      },
    };
  }
}

/** Options of {@linkcode holdLock}. */
export interface LockOptions {
  /** The group that may enter the directory. */
  readonly group?: string;
}

async function lockFile(path: string): Promise<Deno.FsFile> {
  let handle: Deno.FsFile | undefined;
  try {
    handle = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    if (await handle.tryLock(true)) return handle;
  } catch (error) {
    handle?.close();
    throw toBindError(error, path);
  }
  handle.close();
  throw new BindError("Another ngrokd manages the names and addresses of this machine", {
    address: path,
    reason: "in_use",
    hint: "Stop the other ngrokd first: only one can run on a machine",
  });
}

async function hasPath(handle: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [locked, present] = await Promise.all([handle.stat(), Deno.lstat(path)]);
    return locked.ino === present.ino && locked.dev === present.dev;
  } catch {
    return false;
  }
}
