import { dirname, resolve } from "node:path";
import { toFileError } from "./errors.ts";
import { holds } from "./permissions.ts";

const ROOT = 0;
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
/** The groups wheel and daemon of macOS, which own /var/run and hold no ordinary user. */
const SYSTEM_GROUPS: ReadonlySet<number | null> = new Set(Deno.build.os === "darwin" ? [0, 1] : []);
const STICKY = 0o1000;
const MAX_LINKS = 16;

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
export async function ancestorProblem(
  path: string,
  { user, links = MAX_LINKS }: AncestorOptions,
): Promise<PathProblem | undefined> {
  for (const [directory, next] of ancestorsOf(resolve(path))) {
    const info = await lstat(directory);
    if (info === undefined) continue;
    const stranger = strangerOf(info, user);
    if (stranger !== undefined) {
      const what = info.isSymlink ? "the symbolic link" : "the directory";
      return {
        text: `user ${stranger} owns ${what} ${directory}`,
        hint: `Run: chown -h ${user} ${directory}`,
      };
    }
    if (info.isSymlink) {
      if (links === 0) continue;
      const target = `${await Deno.realPath(directory)}/x`;
      const problem = await ancestorProblem(target, { user, links: links - 1 });
      if (problem !== undefined) return problem;
    } else if (isWritableByOthers(info)) {
      if (!isSticky(info)) return writable(directory, info);
      const child = await lstat(next);
      const owner = child === undefined ? undefined : strangerOf(child, user);
      if (owner !== undefined) {
        const text = `${writable(directory, info).text}, and user ${owner} owns ${next}`;
        return { text, hint: `Run: chown -h ${user} ${next}` };
      }
    }
  }
  return undefined;
}

/** Options of {@linkcode ancestorProblem}. */
export interface AncestorOptions {
  /** Trusted, as root is. */
  readonly user: number;
  /** The number of symbolic links that are followed. @default {16} */
  readonly links?: number;
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
    return { text: `user ${stranger} owns the directory`, hint: `Run: chown ${user} ${path}` };
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

/** Returns each directory above a path, from the root, with the next part of the path in it. */
function ancestorsOf(path: string): [directory: string, next: string][] {
  const found: [string, string][] = [];
  for (let next = path; dirname(next) !== next; next = dirname(next)) found.push([dirname(next), next]);
  return found.reverse();
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
