import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { BindError, FileError } from "../model/errors.ts";
import { toBindError } from "./errors.ts";
import { groupId } from "./groups.ts";
import { checkAncestors } from "./guard.ts";
import { openDirectory } from "./open_file.ts";

const log = getLogger(["ngrokd", "system"]);

const ROOT = 0;
const OTHERS = 0o007;
const GROUP = 0o070;
const GROUP_WRITE = 0o020;
const PRIVATE = 0o700;
const FOR_GROUP = 0o2750;

/** The control socket, the machine-wide lock, and the directory of a socket for root alone. */
const OWN_NAMES: readonly string[] = ["ngrokd.sock", "ngrokd.sock.lock", "lock", "owner"];

/** Locks, and what the hints of ngrokd set aside. A `*.sock` may be of another program. */
const OWN_SUFFIXES: readonly string[] = [".lock", ".old"];

/** The file beside a socket whose lock one daemon holds while it starts. */
export const LOCK_SUFFIX = ".lock";

/**
 * Creates the directory of a socket or lock file: mode 2750, or 0700 without a group. One that
 * exists gets this mode and group again, unless it holds files of others. Returns the id of the
 * group.
 *
 * @throws {BindError} `unsafe` if others can enter, own or replace the directory.
 */
export async function prepareDirectory(path: string, group: string | undefined): Promise<number | undefined> {
  const directory = dirname(path);
  const gid = group === undefined ? undefined : await groupId(group);
  try {
    await makeDirectory(directory);
    await checkAncestors(directory);
    if (Deno.build.os === "windows") return gid;
    await using handle = await openDirectory(directory);
    const { uid, mode } = await handle.stat();
    if (uid !== ROOT && uid !== Deno.uid()) {
      throw unsafe(path, { why: `user ${uid} owns`, hint: `Run: chown ${Deno.uid()} ${directory}` });
    }
    if ((mode & OTHERS) !== 0) {
      throw unsafe(path, { why: "other users can enter", hint: `Run: chmod o= ${directory}` });
    }
    const foreign = await foreignName(path);
    if (foreign === undefined) await correctMode(handle, gid);
    else if ((mode & GROUP_WRITE) !== 0) {
      throw unsafe(path, { why: "its group can write to", hint: `Run: chmod g-w ${directory}` });
    }
    if (foreign !== undefined) {
      log.info("Leaving group and mode of {directory} as they are: it holds {foreign}", {
        directory,
        foreign,
        hint: "Give server.socket_path a directory of its own",
      });
    }
    return gid;
  } catch (error) {
    if (error instanceof BindError) throw error;
    if (error instanceof FileError) {
      throw new BindError(`Cannot bind ${path}: ${error.message}`, {
        address: path,
        reason: "unsafe",
        cause: error,
        hint: error.hint,
      });
    }
    throw toBindError(error, path);
  }
}

function unsafe(path: string, { why, hint }: { why: string; hint: string }): BindError {
  return new BindError(`Cannot bind ${path}: ${why} the directory ${dirname(path)}`, {
    address: path,
    reason: "unsafe",
    hint: `${hint}, or give server.socket_path a directory of its own`,
  });
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await Deno.mkdir(directory, { mode: PRIVATE });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Returns a name in the directory that is not ngrokd's; undefined if there is none. */
async function foreignName(path: string): Promise<string | undefined> {
  const socket = basename(path);
  const own = new Set([socket, socket + LOCK_SUFFIX, ...OWN_NAMES]);
  for await (const { name } of Deno.readDir(dirname(path))) {
    if (!own.has(name) && !OWN_SUFFIXES.some((suffix) => name.endsWith(suffix))) return name;
  }
  return undefined;
}

/**
 * Gives a directory its group and mode. The mode stays if it lets no group write and the system
 * allows no setgid bit, as with RestrictSUIDSGID= of systemd.
 *
 * @throws The runtime's error.
 */
export async function correctMode(handle: DirectoryHandle, gid: number | undefined): Promise<void> {
  const { uid, gid: present, mode } = await handle.stat();
  const wanted = gid === undefined || (gid !== present && !await give(handle, { uid, gid }))
    ? PRIVATE
    : FOR_GROUP;
  const isRight = wanted === PRIVATE ? (mode & GROUP) === 0 : (mode & 0o7777) === wanted;
  if (isRight) return;
  try {
    await handle.chmod(wanted);
  } catch (error) {
    const mayStay = wanted === FOR_GROUP && (mode & GROUP_WRITE) === 0;
    if (!mayStay || !(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
}

type DirectoryHandle = Pick<FileHandle, "stat" | "chmod" | "chown">;

async function give(handle: DirectoryHandle, { uid, gid }: { uid: number; gid: number }): Promise<boolean> {
  try {
    await handle.chown(uid, gid);
    return true;
  } catch (error) {
    // An ordinary user who is not in the group keeps the directory private.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
