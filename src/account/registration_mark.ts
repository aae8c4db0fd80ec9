import { dirname } from "node:path";
import type { IdentityFiles } from "../identity/store.ts";

const FORM = /^[0-9a-f-]{36}$/;

/**
 * A mark that nobody can guess, on disk before an operator is made and in the operator's metadata afterwards: where the answer or the
 * process is lost in between, the operator is found by it, and no second one is made.
 */
export class RegistrationMark {
  readonly #path: string;
  readonly #files: Pick<IdentityFiles, "readTextIfAny" | "writeFileAtomic" | "removeFile" | "makeDirectory">;

  constructor(path: string, files: IdentityFiles) {
    this.#path = path;
    this.#files = files;
  }

  /** The mark of a registration whose end is not known; undefined if there is none. @throws {FileError} */
  async pending(): Promise<string | undefined> {
    const text = (await this.#files.readTextIfAny(this.#path))?.trim() ?? "";
    return FORM.test(text) ? text : undefined;
  }

  /** Makes a new mark and keeps it. @throws {FileError} */
  async begin(): Promise<string> {
    const mark = crypto.randomUUID();
    await this.#files.makeDirectory(dirname(this.#path), 0o700);
    await this.#files.writeFileAtomic(this.#path, mark, { mode: 0o600 });
    return mark;
  }

  /** The registration has ended, well or not. @throws {FileError} */
  async end(): Promise<void> {
    await this.#files.removeFile(this.#path);
  }
}
