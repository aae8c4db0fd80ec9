import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FileError, type FileFailure } from "../../src/model/errors.ts";
import type { ReplaceFileSystem } from "../../src/names/replace_file.ts";
import * as files from "../../src/system/files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

/** A file in a directory of its own. Texts have one character per byte. */
export interface FileOnDisk extends AsyncDisposable {
  readonly directory: string;
  readonly path: string;
  /** @default {the file itself} */
  read(path?: string): Promise<string>;
  write(text: string): Promise<void>;
  /** The names in the directory, sorted. */
  list(): Promise<string[]>;
}

/** Makes a directory with a file of this name and text; without a text, the directory is empty. */
export async function fileOnDisk(name: string, text?: string): Promise<FileOnDisk> {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/${name}`;
  const file: FileOnDisk = {
    directory: directory.path,
    path,
    read: async (from = path) => Buffer.from(await Deno.readFile(from)).toString("latin1"),
    write: (next) => Deno.writeFile(path, Buffer.from(next, "latin1")),
    list: async () => (await Array.fromAsync(Deno.readDir(directory.path))).map((entry) => entry.name).sort(),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
  if (text !== undefined) await file.write(text);
  return file;
}

/** Makes a symlink with `ln`, because no scoped permission set lets Deno make one. */
export async function symlink(target: string, path: string): Promise<void> {
  const { success } = await new Deno.Command("ln", { args: ["-s", target, path] }).output();
  assert.ok(success);
}

/** A file operation that always fails. */
export function failing(reason: FileFailure, cause?: Error): () => Promise<never> {
  return () => Promise.reject(new FileError(`Cannot write x: ${reason}`, { path: "x", reason, cause }));
}

/** A file operation with a bug. */
export function buggy(): Promise<never> {
  return Promise.reject(new TypeError("bug"));
}

/** The real file system, except that renaming fails as for a mount point. */
export const MOUNT_POINT: ReplaceFileSystem = {
  ...files,
  renameFile: failing("other", new Deno.errors.Busy("mount point")),
};

/** The real file system, with a hook that runs after the temporary file is written. */
export function filesWith(hook: () => Promise<void>): ReplaceFileSystem {
  return {
    ...files,
    async createFile(...parameters) {
      await files.createFile(...parameters);
      if (parameters[0].endsWith(".ngrokd.tmp")) await hook();
    },
  };
}
