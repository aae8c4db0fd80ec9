import { dirname, isAbsolute, join, resolve } from "node:path";
import { STATE_FILES } from "../model/state_files.ts";
import { toFileError } from "./errors.ts";
import { holds } from "./permissions.ts";

const ROOT = 0;
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
/** The groups wheel and daemon of macOS, which own /var/run and hold no ordinary user. */
const SYSTEM_GROUPS: ReadonlySet<number | null> = new Set(Deno.build.os === "darwin" ? [0, 1] : []);
const STICKY = 0o1000;
/** As many as Linux follows (path_resolution(7)). */
const MAX_LINKS = 40;
const FEWER_LINKS = "Use a path with fewer symbolic links";

/** The files that a former user of ngrokd may have left: with a wrong owner they are not used. */
const OWN_NAMES: readonly string[] = ["config.yml", "tls.key", "tls.crt", ...Object.values(STATE_FILES)];

/** The reason why other users could replace a file, and the command that corrects it. */
export interface PathProblem {
  readonly text: string;
  readonly hint: string;
}

/**
 * Returns the reason why a user other than root and `user` can replace what has this path. A
 * directory that everybody can write and that has the sticky bit, like /tmp, is safe if root or
 * `user` owns the next part of the path: nobody else can rename or remove it (unlink(2)).
 * Directories that the permission set does not show are left out.
 */
export async function ancestorProblem(path: string, user: number): Promise<PathProblem | undefined> {
  // The runtime removes `..` from a path only under a scoped set (docs/runtime.md).
  const asWritten = isAbsolute(path) ? path : `${resolve()}/${path}`;
  for (const opened of new Set([resolve(path), asWritten])) {
    const problem = await walk(opened, user);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * Follows a path part by part as the kernel does, through each symbolic link and also the last:
 * `..` leaves the directory that a link leads to.
 */
async function walk(path: string, user: number): Promise<PathProblem | undefined> {
  const parts = partsOf(path);
  let links = 0;
  let directory = "/";
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    if (part === "..") {
      directory = dirname(directory);
      continue;
    }
    const next = join(directory, part);
    const problem = await entryProblem(next, user);
    if (problem !== undefined) return problem;
    if (!(await lstat(next))?.isSymlink) {
      directory = next;
      continue;
    }
    links++;
    if (links > MAX_LINKS) return { text: `${next} is one of too many symbolic links`, hint: FEWER_LINKS };
    const target = await readLink(next);
    parts.unshift(...partsOf(target));
    if (isAbsolute(target)) directory = "/";
  }
  return undefined;
}

/** Returns the reason why a stranger can replace an entry of its directory, which is no link. */
async function entryProblem(entry: string, user: number): Promise<PathProblem | undefined> {
  const directory = dirname(entry);
  const info = await lstat(directory);
  const child = await lstat(entry);
  const stranger = info === undefined ? undefined : strangerOf(info, user);
  if (stranger !== undefined) {
    const text = `user ${stranger} owns the directory ${directory}`;
    return { text, hint: await handOver(directory, user) };
  }
  const owner = child === undefined ? undefined : strangerOf(child, user);
  if (info !== undefined && isWritableByOthers(info)) {
    if (!isSticky(info)) return writable(directory, info);
    if (owner !== undefined) {
      const text = `${writable(directory, info).text}, and user ${owner} owns ${entry}`;
      return { text, hint: `Run: chown -h ${user} ${entry}` };
    }
  }
  if (!child?.isSymlink || owner === undefined) return undefined;
  return { text: `user ${owner} owns the symbolic link ${entry}`, hint: `Run: chown -h ${user} ${entry}` };
}

/** Returns the command that gives a directory, and the files of ngrokd in it, to `user`. */
async function handOver(directory: string, user: number): Promise<string> {
  const paths = [directory];
  for (const path of OWN_NAMES.map((name) => join(directory, name))) {
    const info = await lstat(path);
    if (info !== undefined && strangerOf(info, user) !== undefined) paths.push(path);
  }
  return `Run: chown -h ${user} ${paths.join(" ")}`;
}

/**
 * Returns the reason why a user other than root and `user` can place files in a directory.
 *
 * @throws {FileError} If it cannot be examined.
 */
export async function directoryProblem(path: string, user: number): Promise<PathProblem | undefined> {
  if (!isShown(path)) return undefined;
  const info = await Deno.stat(path).catch((error) => {
    throw toFileError(error, { action: "stat", path });
  });
  const stranger = strangerOf(info, user);
  if (stranger !== undefined) {
    return { text: `user ${stranger} owns the directory`, hint: await handOver(path, user) };
  }
  return isWritableByOthers(info) ? writable(path, info) : undefined;
}

function writable(directory: string, info: Deno.FileInfo): PathProblem {
  const mode = ((info.mode ?? 0) & 0o7777).toString(8).padStart(4, "0");
  const why = isSticky(info) ? "the sticky bit does not stop them from placing files" : `mode ${mode}`;
  return {
    text: `other users can write to the directory ${directory} (${why})`,
    hint: isSticky(info) ? "Use a directory that only root can write" : `Run: chmod go-w ${directory}`,
  };
}

function strangerOf({ uid }: Deno.FileInfo, user: number): number | undefined {
  return uid === null || uid === ROOT || uid === user ? undefined : uid;
}

function isWritableByOthers({ mode, gid }: Deno.FileInfo): boolean {
  const bits = mode ?? 0;
  return (bits & OTHERS_WRITE) !== 0 || ((bits & GROUP_WRITE) !== 0 && !SYSTEM_GROUPS.has(gid));
}

function isSticky({ mode }: Deno.FileInfo): boolean {
  return ((mode ?? 0) & STICKY) !== 0;
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** Asks first, so that no access beyond the permission set is tried and recorded. */
function isShown(path: string): boolean {
  return holds({ kind: "read", path });
}

/** Undefined if there is none, or if the permission set does not show it. */
async function lstat(path: string): Promise<Deno.FileInfo | undefined> {
  if (!isShown(path)) return undefined;
  try {
    return await Deno.lstat(path);
  } catch (error) {
    const isHidden = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied;
    if (isHidden) return undefined;
    throw toFileError(error, { action: "stat", path });
  }
}

async function readLink(path: string): Promise<string> {
  try {
    return await Deno.readLink(path);
  } catch (error) {
    throw toFileError(error, { action: "resolve", path });
  }
}
