import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { IdentityFiles } from "../identity/store.ts";
import { OnChange } from "../lib/on_change.ts";

const log = getLogger(["ngrokd", "account"]);

const FORM = /^[0-9a-f-]{36}$/;

/**
 * The registration marker: a random id that is saved before an operator is created, and sent in its
 * metadata. If the response or the process is lost, the next start finds the operator by it.
 */
export class RegistrationMarker {
  readonly #path: string;
  readonly #files: Pick<IdentityFiles, "readTextIfAny" | "writeFileAtomic" | "removeFile" | "makeDirectory">;
  readonly #onDamage = new OnChange();

  constructor(path: string, files: IdentityFiles) {
    this.#path = path;
    this.#files = files;
  }

  /**
   * Reads the marker of an unfinished registration; undefined if there is none. A damaged file is
   * logged and treated as missing.
   *
   * @throws {FileError}
   */
  async pending(): Promise<string | undefined> {
    const text = (await this.#files.readTextIfAny(this.#path))?.trim();
    const isDamaged = text !== undefined && !FORM.test(text);
    this.#onDamage.report(isDamaged ? this.#path : undefined, (path) => {
      log.warn("Cannot use the registration marker: {path} is damaged", {
        path,
        hint: "If the ngrok dashboard shows a second operator of this machine, delete it there",
      });
    });
    return isDamaged ? undefined : text;
  }

  /** Creates and saves a new marker. @throws {FileError} */
  async begin(): Promise<string> {
    const marker = crypto.randomUUID();
    await this.#files.makeDirectory(dirname(this.#path), 0o700);
    await this.#files.writeFileAtomic(this.#path, marker, { mode: 0o600 });
    return marker;
  }

  /** Removes the marker. @throws {FileError} */
  async end(): Promise<void> {
    await this.#files.removeFile(this.#path);
  }
}
