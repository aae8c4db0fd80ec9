import { Buffer } from "node:buffer";
import { latin1Text } from "../lib/latin1.ts";
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { Mutex } from "../lib/mutex.ts";
import { OnChange } from "../lib/on_change.ts";
import { FileError } from "../model/errors.ts";
import { TEMPORARY_SUFFIX } from "../model/state_files.ts";
import type { ChangeOutcome } from "./outcome.ts";
import { RepairLimit } from "./repair_limit.ts";
import { removeTemporary, replaceFile, type ReplaceFileSystem } from "./replace_file.ts";

const log = getLogger(["ngrokd", "names"]);

const MAX_ATTEMPTS = 3;

/**
 * A file in which ngrokd keeps lines of its own while other programs write it too. Its text has one
 * character per byte (latin1), so that bytes of any encoding survive.
 */
export class ManagedFile {
  readonly path: string;
  readonly #options: ManagedFileOptions;
  readonly #temporary: string;
  readonly #mutex = new Mutex();
  readonly #repairs: RepairLimit;
  readonly #onInPlace = new OnChange();
  #temporaryRemoved = false;

  constructor(path: string, options: ManagedFileOptions) {
    this.path = path;
    this.#options = options;
    this.#temporary = path + TEMPORARY_SUFFIX;
    this.#repairs = new RepairLimit(options.now ?? (() => performance.now()));
  }

  /** Runs one task at a time. A {@linkcode FileError} becomes the problem of the outcome. */
  run(task: () => Promise<ChangeOutcome>): Promise<ChangeOutcome> {
    const { files, hintFor } = this.#options;
    return this.#mutex.run(async () => {
      try {
        if (!this.#temporaryRemoved) await removeTemporary(this.#temporary, files);
        this.#temporaryRemoved = true;
        return await task();
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        return { changed: false, problem: error.message, hint: hintFor(error) };
      }
    });
  }

  /**
   * Writes what `edit` makes of the text; a missing file has an empty text. If another program
   * writes the file in between, the edit is made again, three times in all. Must be called within
   * {@linkcode ManagedFile.run}.
   *
   * @throws {FileError} The file is as it was.
   */
  async update(edit: (text: string, exists: boolean) => Edit | Promise<Edit>): Promise<UpdateOutcome> {
    const { path } = this;
    const { files, maxBytes } = this.#options;
    let isRepairCounted = false;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const old = await files.readBytesIfAny(path, maxBytes);
      const text = toText(old);
      const edited = await edit(text, old !== undefined);
      if ("problem" in edited) return { changed: false, ...edited };
      const { next, isRepair = false, beforeWrite } = edited;
      if (next === text) return { changed: false };
      // One repair may take several attempts; it counts once.
      if (isRepair && !isRepairCounted) {
        if (!this.#repairs.take()) return { changed: false, ...gaveUp(path) };
        isRepairCounted = true;
      }
      // As root, a user who can write the directory would choose what is written where.
      await files.checkDirectory(dirname(path));
      if (next === undefined) {
        await files.removeFile(path);
        return { changed: true };
      }
      await beforeWrite?.();
      const result = await replaceFile(path, {
        old,
        next: toBytes(next),
        files,
        temporary: this.#temporary,
        maxBytes,
      });
      if (result === "overtaken") continue;
      this.#onInPlace.report(result === "in_place" ? result : undefined, () => {
        log.warn("Cannot replace {path}; writing it in place", { path });
      });
      if (isRepairCounted) log.warn("Restored the lines in {path} that another program changed", { path });
      return { changed: true };
    }
    const problem = `Cannot write ${path}: another program is writing it at the same time`;
    return { changed: false, problem };
  }
}

/** The result of an attempt to change the lines of ngrokd. */
export interface UpdateOutcome extends ChangeOutcome {
  /** True if another program keeps rewriting the file. @default {false} */
  readonly gaveUp?: boolean;
}

/** The text that a file should have, or the reason why it must stay as it is. */
export type Edit =
  | {
    /** The same text writes nothing; undefined removes the file. */
    readonly next: string | undefined;
    /** True if another program has changed the lines of ngrokd. @default {false} */
    readonly isRepair?: boolean;
    readonly beforeWrite?: () => Promise<void>;
  }
  | { readonly problem: string; readonly hint: string | undefined };

/** Options of {@linkcode ManagedFile}. */
export interface ManagedFileOptions {
  readonly files: ReplaceFileSystem;
  readonly maxBytes: number;
  /** The remedy for an error of the file system. */
  readonly hintFor: (error: FileError) => string | undefined;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: (() => number) | undefined;
}

/** Returns one byte for each character of the text. */
export function toBytes(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

/** Returns one character for each byte; an empty text for a missing file. */
export function toText(bytes: Uint8Array = new Uint8Array()): string {
  return latin1Text(bytes);
}

function gaveUp(path: string): { gaveUp: true; problem: string; hint: string } {
  return {
    gaveUp: true,
    problem: `Cannot keep the lines of ngrokd in ${path}: another program keeps rewriting it`,
    hint: "Find that program and stop it; ngrokd restores its lines every 5 minutes",
  };
}
