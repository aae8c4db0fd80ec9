import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { FileError, messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "daemon"]);

const FILE_MODE = 0o644;
const MAX_BYTES = 64 * 1024;

const Change = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("addresses") }),
  z.object({ kind: z.literal("hosts"), path: z.string().startsWith("/"), created: z.boolean() }),
  z.object({
    kind: z.literal("resolv_conf"),
    path: z.string().startsWith("/"),
    backup: z.string().startsWith("/").endsWith("/resolv.conf.bak"),
  }),
  z.object({ kind: z.literal("resolver_dir"), path: z.string().startsWith("/") }),
]);

const Content = z.object({ version: z.literal(1), changes: z.array(Change).max(64) });

/**
 * A change of this machine that outlives the process. `addresses`: an interface and a route, which bear our marks. `hosts`: our section
 * of this file; `created` if there was no such file before. `resolv_conf`: our line in this file, and its backup. `resolver_dir`: our files
 * in this directory.
 */
export type Change = z.infer<typeof Change>;

/** The verbs on files that keeping a journal takes. All throw {@linkcode FileError}. */
export type JournalFiles = Pick<
  System["files"],
  "readText" | "writeFileAtomic" | "removeFile" | "renameFile"
>;

/** Where the journal is kept. */
export interface JournalOptions {
  readonly path: string;
  readonly files: JournalFiles;
}

/** What was changed on this machine, written down before it is (DESIGN.md decision 10), oldest first. */
export class Journal {
  readonly #path: string;
  readonly #files: JournalFiles;
  #changes: readonly Change[] = [];
  /** Whether the file says the same. */
  #written = true;

  constructor(options: JournalOptions) {
    this.#path = options.path;
    this.#files = options.files;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  has(change: Change): boolean {
    return this.#changes.some((known) => isSame(known, change));
  }

  /** Reads what an earlier run left; what is wrong with the file, which is set aside then. */
  async load(): Promise<string | undefined> {
    try {
      this.#changes = Content.parse(JSON.parse(await this.#files.readText(this.#path, MAX_BYTES))).changes;
      return undefined;
    } catch (error) {
      if (error instanceof FileError && error.reason === "missing") return undefined;
      const problem = error instanceof FileError ? error.message : `${this.#path} is damaged`;
      return `${problem}; ${await this.#setAside()}`;
    }
  }

  /**
   * Writes a change down before it is made. One that cannot be written down is reported and made all the same: everything that is made
   * can be told by its marks too.
   */
  async record(change: Change): Promise<void> {
    const known = this.#changes.find((other) => isSame(other, change));
    if (known === undefined) return await this.#save([...this.#changes, change]);
    const isNews = change.kind === "hosts" && change.created && !(known.kind === "hosts" && known.created);
    if (isNews) return await this.#save(this.#changes.map((other) => other === known ? change : other));
    if (!this.#written) await this.#save(this.#changes);
  }

  /** Forgets a change that has been undone. */
  async strike(change: Change): Promise<void> {
    if (this.has(change)) await this.#save(this.#changes.filter((known) => !isSame(known, change)));
  }

  async #save(changes: readonly Change[]): Promise<void> {
    this.#changes = changes;
    try {
      if (changes.length === 0) await this.#files.removeFile(this.#path);
      else {
        const text = JSON.stringify({ version: 1, changes }, null, 2);
        await this.#files.writeFileAtomic(this.#path, text, { mode: FILE_MODE });
      }
      this.#written = true;
    } catch (error) {
      this.#written = false;
      log.warn("Cannot write down what is changed on this machine: {reason}", { reason: messageOf(error) });
    }
  }

  async #setAside(): Promise<string> {
    try {
      await this.#files.renameFile(this.#path, `${this.#path}.bad`);
      return `it is kept as ${this.#path}.bad`;
    } catch (error) {
      return messageOf(error);
    }
  }
}

function isSame(a: Change, b: Change): boolean {
  return a.kind === b.kind && pathOf(a) === pathOf(b);
}

function pathOf(change: Change): string | undefined {
  return "path" in change ? change.path : undefined;
}
