import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { IdentityFiles } from "../identity/store.ts";
import { OnChange } from "../lib/on_change.ts";
import { isUnusable, setAside } from "../system/set_aside.ts";

const log = getLogger(["ngrokd", "account"]);

const FORM = /^[0-9a-f-]{36}$/;

/**
 * The registration marker: a random id that is saved before an operator is created, and sent in its
 * metadata. If the response or the process is lost, the next start finds the operator by it.
 */
export class RegistrationMarker {
  readonly #path: string;
  readonly #files: IdentityFiles;
  readonly #onDamage = new OnChange();
  #problem: string | undefined;

  constructor(path: string, files: IdentityFiles) {
    this.#path = path;
    this.#files = files;
  }

  /** The damage of the file, as the last read found it; undefined if there is none. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Reads the marker of an unfinished registration; undefined if there is none. A damaged file is
   * logged and treated as missing. What is no regular file, or has another owner, is set aside.
   *
   * @throws {FileError} If it cannot be read now.
   */
  async pending(): Promise<string | undefined> {
    const text = await this.#read();
    if (text !== undefined && FORM.test(text)) this.#report(undefined);
    else if (text !== undefined) this.#report(`${this.#path} is damaged`);
    return text !== undefined && FORM.test(text) ? text : undefined;
  }

  async #read(): Promise<string | undefined> {
    try {
      return (await this.#files.readOwnIfAny(this.#path, { isSecret: false }))?.trim();
    } catch (error) {
      if (!isUnusable(error)) throw error;
      this.#report(`${error.message}; ${await setAside(this.#path, this.#files)}`);
      return undefined;
    }
  }

  #report(damage: string | undefined): void {
    this.#problem = damage === undefined ? undefined : `Cannot use the registration marker: ${damage}`;
    this.#onDamage.report(damage, (damage) => {
      log.warn("Cannot use the registration marker: {damage}", {
        damage,
        hint: "If the ngrok dashboard shows a second operator of this machine, delete it there",
      });
    });
  }

  /** Creates and saves a new marker. @throws {FileError} */
  async begin(): Promise<string> {
    const marker = crypto.randomUUID();
    await this.#files.makeDirectory(dirname(this.#path), 0o700);
    await this.#files.writeFileAtomic(this.#path, marker, { mode: 0o600 });
    this.#report(undefined);
    return marker;
  }

  /** Removes the marker. @throws {FileError} */
  async end(): Promise<void> {
    await this.#files.removeFile(this.#path);
    this.#report(undefined);
  }
}
