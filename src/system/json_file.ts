import type { z } from "zod";
import { Mutex } from "../lib/mutex.ts";
import { parseJson } from "../lib/parse_json.ts";
import { FileError, messageOf } from "../model/errors.ts";
import { DAMAGED_SUFFIX } from "../model/state_files.ts";
import { moveAside, setAside } from "./set_aside.ts";

const FILE_MODE = 0o644;

/**
 * A JSON file in the state directory. A write replaces the file atomically and is skipped if the
 * bytes are the same. A file that does not match its schema is renamed to `<path>.bad`, so that the
 * next write does not destroy it. A file that cannot be read is renamed only by that write,
 * because it may be readable after a restart. Calls are carried out one at a time, in their order:
 * writes share a temporary file.
 */
export class JsonFile<T> {
  readonly #path: string;
  readonly #schema: z.ZodType<T>;
  readonly #files: StateFiles;
  readonly #maxBytes: number | undefined;
  readonly #mutex = new Mutex();
  /** The text that is known to be on disk. */
  #onDisk: string | undefined;
  /** The error of the last read, as long as the file is there: it may have valid content. */
  #unread: string | undefined;
  #problem: string | undefined;

  constructor(path: string, options: { schema: z.ZodType<T>; files: StateFiles; maxBytes?: number }) {
    this.#path = path;
    this.#schema = options.schema;
    this.#files = options.files;
    this.#maxBytes = options.maxBytes;
  }

  get path(): string {
    return this.#path;
  }

  /** The failure of the last read, and what has become of the file since; undefined if none. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Reads and checks the content. Never rejects; a failure is in `problem`. */
  read(): Promise<JsonContent<T>> {
    return this.#mutex.run(async () => {
      const found = await this.#read();
      this.#problem = found.problem;
      return found;
    });
  }

  async #read(): Promise<JsonContent<T>> {
    let text: string;
    this.#onDisk = undefined;
    this.#unread = undefined;
    try {
      text = await this.#files.readOwn(this.#path, { maxBytes: this.#maxBytes });
    } catch (error) {
      if (isMissing(error)) return {};
      this.#unread = messageOf(error);
      return {
        problem: `${this.#unread}; it stays until the next write, which renames it to ${this.#badPath}`,
      };
    }
    const parsed = this.#schema.safeParse(parseJson(text));
    if (!parsed.success) {
      return { problem: `${this.#path} is damaged; ${await setAside(this.#path, this.#files)}` };
    }
    this.#onDisk = text;
    return { content: parsed.data };
  }

  /** Replaces the content. @throws {FileError} The old file is unchanged. */
  write(content: T): Promise<void> {
    const text = JSON.stringify(content, null, 2);
    return this.#mutex.run(async () => {
      if (this.#onDisk === text) return;
      this.#onDisk = undefined;
      await this.#keepUnread();
      await this.#files.writeFileAtomic(this.#path, text, { mode: FILE_MODE });
      this.#onDisk = text;
    });
  }

  /** Removes the file; a missing file is not an error. @throws {FileError} */
  remove(): Promise<void> {
    return this.#mutex.run(async () => {
      this.#onDisk = undefined;
      await this.#keepUnread();
      await this.#files.removeFile(this.#path);
    });
  }

  get #badPath(): string {
    return this.#path + DAMAGED_SUFFIX;
  }

  /** Renames a file that could not be read. @throws {FileError} */
  async #keepUnread(): Promise<void> {
    if (this.#unread === undefined) return;
    try {
      await moveAside(this.#path, this.#files);
      this.#problem = `${this.#unread}; it is kept as ${this.#badPath}`;
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#problem = undefined;
    }
    this.#unread = undefined;
  }
}

/**
 * The part of the file system that a {@linkcode JsonFile} needs. Every function throws {@linkcode
 * FileError}.
 */
export interface StateFiles {
  /** Reads a file that only ngrokd writes. */
  readOwn(path: string, options: { readonly maxBytes?: number | undefined }): Promise<string>;
  writeFileAtomic(path: string, text: string, options: { mode: number }): Promise<void>;
  removeFile(path: string): Promise<void>;
  renameFile(from: string, to: string): Promise<void>;
}

/** The content of a {@linkcode JsonFile}, or the reason why there is none. */
export interface JsonContent<T> {
  /** Undefined if the file is missing, unreadable or damaged. */
  readonly content?: T;
  /** The reason, and what becomes of the file; undefined if nothing is wrong. */
  readonly problem?: string;
}

function isMissing(error: unknown): boolean {
  return error instanceof FileError && error.reason === "missing";
}
