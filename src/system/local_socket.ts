import { acceptNext } from "./accept_next.ts";
import { BindError } from "../model/errors.ts";
import type { ByteStream } from "./byte_stream.ts";
import { toBindError } from "./errors.ts";
import { takeLock } from "./lock.ts";
import { LOCK_SUFFIX, prepareDirectory } from "./socket_directory.ts";

/**
 * Opens a Unix socket that only its owner and the group can reach. Deno shows no peer credentials,
 * so the directory protects it: it has mode 2750 (0700 without a group) before the socket exists,
 * and a directory that others can enter or replace is refused. A stale socket is replaced.
 *
 * @throws {BindError} `in_use` if a daemon answers on it or starts with it; `unsafe` if others can
 * enter, own or replace the directory.
 */
export async function listenLocal(path: string, options: LocalListenOptions = {}): Promise<LocalListener> {
  const gid = await prepareDirectory(path, options.group);
  // Without the lock, the second of two daemons that start at once could take the socket of the
  // first for a stale one.
  await using _lock = await takeLock(
    path + LOCK_SUFFIX,
    new BindError(`Cannot bind ${path}: another ngrokd is starting with this socket`, {
      address: path,
      reason: "in_use",
    }),
  );
  await removeStale(path);
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } catch (error) {
    throw toBindError(error, path);
  }
  try {
    // A socket cannot be opened, so its mode is changed by its path. Nobody else can replace it in
    // this directory. A setgid directory gives it its group, another one if the directory existed.
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
 * Connects to a Unix socket.
 *
 * @throws {Deno.errors.NotFound} And other errors, which {@linkcode localFailure} classifies.
 */
export function connectLocal(path: string): Promise<ByteStream> {
  return Deno.connect({ transport: "unix", path });
}

/**
 * Returns true if a process accepts connections on a Unix socket. A link is no socket.
 *
 * @throws If that cannot be found out: the permission set does not include the path, for example.
 */
export async function isServed(path: string): Promise<boolean> {
  try {
    if (!(await Deno.lstat(path)).isSocket) return false;
    (await connectLocal(path)).close();
    return true;
  } catch (error) {
    if (localFailure(error) === "absent") return false;
    throw error;
  }
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
