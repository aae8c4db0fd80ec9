import { dirname } from "node:path";
import { BindError } from "../model/errors.ts";
import { toBindError } from "./errors.ts";
import { groupId } from "./groups.ts";

const OTHERS = 0o007;

/**
 * Creates the directory of a socket or lock file: mode 2750, or 0700 without a group. Returns the
 * id of the group.
 *
 * @throws {BindError} `denied` if others can enter the directory.
 */
export async function prepareDirectory(path: string, group: string | undefined): Promise<number | undefined> {
  const directory = dirname(path);
  const gid = group === undefined ? undefined : await groupId(group);
  try {
    try {
      await Deno.mkdir(directory, { mode: 0o700 });
      if (gid !== undefined) await giveToGroup(directory, gid);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const info = await Deno.stat(directory);
    if (((info.mode ?? 0) & OTHERS) === 0) return gid;
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
