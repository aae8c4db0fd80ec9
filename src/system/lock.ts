import { BindError } from "../model/errors.ts";
import { toBindError } from "./errors.ts";
import { prepareDirectory } from "./socket_directory.ts";

const ROOT = 0;
const OPEN = 0o077;
const MAX_ATTEMPTS = 100;

/**
 * Takes a lock that ends with this process, and removes its file at the end. The directory is
 * created by {@linkcode prepareDirectory}.
 *
 * @throws {BindError} `in_use` if another process holds it; `unsafe` if others can enter the
 * directory, but `denied` for an ordinary user, who cannot correct that.
 */
export async function holdLock(path: string, options: LockOptions = {}): Promise<AsyncDisposable> {
  try {
    await prepareDirectory(path, options.group);
  } catch (error) {
    if (!(error instanceof BindError) || error.reason !== "unsafe" || Deno.uid() === ROOT) throw error;
    const { message, address, hint } = error;
    throw new BindError(message, { address, reason: "denied", cause: error, hint });
  }
  const held = new BindError("Another ngrokd manages the names and addresses of this machine", {
    address: path,
    reason: "in_use",
    hint: "Stop the other ngrokd first: only one can run on a machine",
  });
  return await takeLock(path, held);
}

/** Options of {@linkcode holdLock}. */
export interface LockOptions {
  /** The group that may enter the directory. */
  readonly group?: string;
}

/**
 * Takes the lock of a file that only the user of ngrokd can open, because whoever can open a file
 * or a directory can also lock it. A file that others can open is replaced.
 *
 * @param held Thrown if another process holds the lock.
 * @throws {BindError} `other` if what has this path is no regular file, …
 */
export async function takeLock(path: string, held: BindError): Promise<AsyncDisposable> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const handle = await openLock(path);
    const state = await stateOf(handle, path);
    // The lock of a file that others can open may be theirs.
    if (state === "open") await Deno.remove(path).catch(() => {});
    else if (!await handle.tryLock(true)) {
      handle.close();
      throw held;
    } else if (state === "private" && await stateOf(handle, path) === "private") {
      return {
        async [Symbol.asyncDispose]() {
          // A lock file that somebody removed protects nothing.
          await Deno.remove(path).catch(() => {});
          handle.close();
        },
      };
    }
    handle.close();
  }
  throw new BindError(`Cannot bind ${path}: other programs keep replacing it`, {
    address: path,
    reason: "other",
  });
}

/** Opens the file, or creates it; never opens what is no regular file. */
async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    const info = await Deno.lstat(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    if (info !== undefined && !info.isFile) {
      throw new BindError(`Cannot bind ${path}: it is not a regular file`, {
        address: path,
        reason: "other",
        hint: `Run: mv ${path} ${path}.old`,
      });
    }
    return await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw error instanceof BindError ? error : toBindError(error, path);
  }
}

/** `lost`: the path leads to another file, because the former owner of the lock removed this. */
async function stateOf(handle: Deno.FsFile, path: string): Promise<"private" | "open" | "lost"> {
  try {
    const [locked, present] = await Promise.all([handle.stat(), Deno.lstat(path)]);
    if (locked.ino !== present.ino || locked.dev !== present.dev) return "lost";
    const isOwn = locked.uid === null || locked.uid === ROOT || locked.uid === Deno.uid();
    return isOwn && ((locked.mode ?? 0) & OPEN) === 0 ? "private" : "open";
  } catch {
    return "lost";
  }
}
