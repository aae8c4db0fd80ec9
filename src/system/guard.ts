import type { FileHandle } from "node:fs/promises";
import { FileError } from "../model/errors.ts";
import { ancestorProblem, directoryProblem, type PathProblem } from "./path_problem.ts";

const ROOT = 0;
const CHANGE = 0o022;
const OPEN = 0o077;

/**
 * Checks that root or the user of ngrokd owns an open file, and that nobody else can change it.
 *
 * @throws {FileError} `unsafe`, with the command that corrects it as the hint.
 */
export async function checkOwner(path: string, options: OwnerOptions): Promise<void> {
  const { handle, isSecret } = options;
  const user = Deno.uid();
  // Windows.
  if (user === null) return;
  const { uid, mode } = await handle.stat();
  if (uid !== ROOT && uid !== user) {
    throw unsafe(path, { text: `its owner is user ${uid}`, hint: `Run: chown ${user} ${path}` });
  }
  const bits = `its mode is ${(mode & 0o7777).toString(8).padStart(4, "0")}`;
  if ((mode & CHANGE) !== 0 && !isSecret) {
    throw unsafe(path, { text: `${bits}, so that others can change it`, hint: `Run: chmod go-w ${path}` });
  }
  if ((mode & OPEN) !== 0 && isSecret) {
    throw unsafe(path, { text: `${bits}, so that others can open it`, hint: `Run: chmod 600 ${path}` });
  }
}

/** Options of {@linkcode checkOwner}. */
export interface OwnerOptions {
  readonly handle: Pick<FileHandle, "stat">;
  /** True demands that only the owner can open it. */
  readonly isSecret: boolean;
}

/**
 * Checks, as root, that no other user can replace what has this path: every directory above it that
 * the permission set shows belongs to root and is not writable by others.
 *
 * @throws {FileError} `unsafe`
 */
export async function checkAncestors(path: string): Promise<void> {
  const user = Deno.uid();
  if (user !== ROOT) return;
  const problem = await ancestorProblem(path, user);
  if (problem !== undefined) throw unsafe(path, problem);
}

/**
 * Checks that no other user can place or replace files in a directory.
 *
 * @returns The reason why one can, if ngrokd runs as an ordinary user, whose machine it may be.
 * @throws {FileError} `unsafe`, if ngrokd runs as root. `missing`, …
 */
export async function checkDirectory(path: string): Promise<string | undefined> {
  const user = Deno.uid();
  if (user === null) return undefined;
  const problem = await directoryProblem(path, user) ?? await ancestorProblem(path, user);
  if (problem === undefined) return undefined;
  const error = unsafe(path, problem);
  if (user === ROOT) throw error;
  return error.message;
}

function unsafe(path: string, { text, hint }: PathProblem): FileError {
  return new FileError(`Cannot use ${path}: ${text}`, { path, reason: "unsafe", hint });
}
