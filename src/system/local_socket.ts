import { dirname } from "node:path";
import { acceptNext } from "./accept_next.ts";
import { BindError } from "../model/errors.ts";
import type { ByteStream } from "./byte_stream.ts";
import { toBindError } from "./errors.ts";
import { groupId } from "./groups.ts";

const OTHERS = 0o007;

/**
 * Opens a Unix socket that only its owner and the group can reach. Deno shows no peer credentials,
 * so the directory protects it: it is created with mode 2750 (0700 without a group) before the
 * socket, and a directory that others can enter is refused. A stale socket is replaced.
 *
 * @throws {BindError} `in_use` if a daemon answers on it; `denied` if others can enter the
 * directory.
 */
export async function listenLocal(path: string, options: LocalListenOptions = {}): Promise<LocalListener> {
  const directory = dirname(path);
  const gid = options.group === undefined ? undefined : await groupId(options.group);
  await prepareDirectory(directory, gid, path);
  // Without the lock, the second of two daemons that start at once could take the socket of the
  // first for a stale one.
  using _lock = await lockDirectory(directory, path);
  await removeStale(path);
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } catch (error) {
    throw toBindError(error, path);
  }
  try {
    // A setgid directory gives the socket its group, which is another one if the directory existed.
    const info = await Deno.lstat(path);
    await Deno.chmod(path, gid !== undefined && info.gid === gid ? 0o660 : 0o600);
  } catch (error) {
    listener.close();
    throw toBindError(error, path);
  }
  return { path, accept: () => acceptNext(() => listener.accept()), close: () => listener.close() };
}

/** An open Unix socket. */
export interface LocalListener {
  readonly path: string;
  accept(): Promise<ByteStream>;
  /** Closes the socket and removes its path. */
  close(): void;
}

/** Options of {@linkcode listenLocal}. */
export interface LocalListenOptions {
  /**
   * The group that may open it besides the owner. If there is no such group, only the owner may.
   */
  readonly group?: string;
}

/**
 * Takes a lock that ends with this process, and removes its file at the end. The directory is
 * created as for {@linkcode listenLocal}.
 *
 * @throws {BindError} `in_use` if another process holds it; `denied` if others can enter the
 * directory.
 */
export async function holdLock(path: string, options: LocalListenOptions = {}): Promise<AsyncDisposable> {
  const directory = dirname(path);
  const gid = options.group === undefined ? undefined : await groupId(options.group);
  await prepareDirectory(directory, gid, path);
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

/**
 * Connects to a Unix socket.
 *
 * @throws {Deno.errors.NotFound} And other errors, which {@linkcode localFailure} classifies.
 */
export function connectLocal(path: string): Promise<ByteStream> {
  return Deno.connect({ transport: "unix", path });
}

/**
 * Classifies a failed connection to a Unix socket: no listener, no permission, or something else.
 */
export function localFailure(error: unknown): "absent" | "denied" | "other" {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused) {
    return "absent";
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "denied";
  }
  return "other";
}

async function prepareDirectory(directory: string, gid: number | undefined, path: string): Promise<void> {
  try {
    try {
      await Deno.mkdir(directory, { mode: 0o700 });
      if (gid !== undefined) await giveToGroup(directory, gid);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const info = await Deno.stat(directory);
    if (((info.mode ?? 0) & OTHERS) === 0) return;
  } catch (error) {
    throw toBindError(error, path);
  }
  throw new BindError(`Cannot bind ${path}: other users can enter the directory ${directory}`, {
    address: path,
    reason: "denied",
    hint: `Run: chmod o= ${directory}, or give server.socket_path a directory of its own`,
  });
}

async function giveToGroup(directory: string, gid: number): Promise<void> {
  try {
    await Deno.chown(directory, null, gid);
    await Deno.chmod(directory, 0o2750);
  } catch (error) {
    // An ordinary user who is not in the group keeps the directory private.
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
}

/**
 * Locks the directory until it is disposed.
 *
 * @throws {BindError} `in_use` if another process holds it.
 */
async function lockDirectory(directory: string, path: string): Promise<Disposable> {
  let handle: Deno.FsFile | undefined;
  try {
    handle = await Deno.open(directory, { read: true });
    if (await handle.tryLock(true)) return handle;
  } catch (error) {
    handle?.close();
    throw toBindError(error, path);
  }
  handle.close();
  throw new BindError(`Cannot bind ${path}: another ngrokd is starting with this socket`, {
    address: path,
    reason: "in_use",
  });
}

async function removeSocket(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toBindError(error, path);
  }
}

async function removeStale(path: string): Promise<void> {
  try {
    const info = await Deno.lstat(path);
    if (!info.isSocket) {
      throw new BindError(`Cannot bind ${path}: a file that is not a socket has this path`, {
        address: path,
        reason: "in_use",
        hint: `Run: mv ${path} ${path}.old`,
      });
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof BindError) throw error;
    throw toBindError(error, path);
  }
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return await removeSocket(path);
    if (error instanceof Deno.errors.NotFound) return;
    throw toBindError(error, path);
  }
  throw new BindError(`Cannot bind ${path}: another ngrokd is running and answers on it`, {
    address: path,
    reason: "in_use",
    hint: "Stop it first, or give this one another server.socket_path",
  });
}
