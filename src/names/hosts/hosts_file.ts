import type { FileError } from "../../model/errors.ts";
import { ManagedFile } from "../managed_file.ts";
import type { ReplaceFileSystem } from "../replace_file.ts";
import { findOutside, replaceBlock } from "./hosts_block.ts";
import type { NamePublisher, PublishOutcome } from "./publisher.ts";
import { refuseHostsLine } from "./refuse_hosts_line.ts";

/** The largest hosts file. */
export const MAX_HOSTS_BYTES: number = 16 * 1024 * 1024;

/**
 * A hosts file with one section for ngrokd, of which this class is the only writer in the program.
 * Readers see the old file or the new one, and every byte outside the section stays.
 */
export class HostsFile implements NamePublisher {
  readonly kind = "hosts";
  readonly disabledReason = undefined;
  readonly file: string;
  readonly #managed: ManagedFile;
  readonly #record: NonNullable<HostsFileOptions["record"]>;
  /** True if ngrokd created the file. */
  #created: boolean;
  #checked: CheckedNames | undefined;
  #written: WrittenFile | undefined;

  constructor(path: string, options: HostsFileOptions) {
    const { files, now, created = false, record = () => Promise.resolve() } = options;
    this.file = path;
    this.#managed = new ManagedFile(path, { files, maxBytes: MAX_HOSTS_BYTES, now, hintFor });
    this.#created = created;
    this.#record = record;
  }

  publish(names: Names, revision?: number): Promise<PublishOutcome> {
    if (revision === undefined || this.#checked?.revision !== revision) {
      this.#checked = checkNames(names, revision);
    }
    return this.#apply(this.#checked, { isLast: false });
  }

  withdraw(): Promise<PublishOutcome> {
    return this.#apply(checkNames(new Map()), { isLast: true });
  }

  async #apply(checked: CheckedNames, options: { readonly isLast: boolean }): Promise<PublishOutcome> {
    const { valid, refused, revision } = checked;
    let notes: Names = new Map();
    const outcome = await this.#managed.run(async () => {
      let written: WrittenFile | undefined;
      const { gaveUp, ...outcome } = await this.#managed.update((text, exists) => {
        const last = this.#written;
        const isSame = revision !== undefined && last?.revision === revision && last.text === text;
        if (isSame) {
          written = last;
          return { next: text };
        }
        const replaced = replaceBlock(text, valid);
        if ("problem" in replaced) return this.#damaged(replaced.problem);
        // Scanning a large file is slow, and the same text has the same notes.
        const notes = replaced.text === last?.text ? last.notes : this.#notesOn(text, valid);
        written = { text: replaced.text, block: replaced.block, revision, notes };
        const isRepair = !options.isLast && last !== undefined && replaced.oldBlock !== last.block;
        const beforeWrite = () => {
          this.#created ||= !exists;
          return this.#record({ path: this.file, created: this.#created });
        };
        const isRemoved = options.isLast && this.#created && replaced.text === "" && exists;
        return { next: isRemoved ? undefined : replaced.text, isRepair, beforeWrite };
      });
      if (outcome.problem === undefined) this.#written = written;
      // While another program keeps rewriting the file, the names are in it at times.
      if (outcome.problem === undefined || gaveUp) notes = written!.notes;
      return outcome;
    });
    return { ...outcome, refused, notes };
  }

  #damaged({ line, message }: { line: number; message: string }): { problem: string; hint: string } {
    return {
      problem: `Cannot edit ${this.file}: line ${line} ${message}`,
      hint: `Remove the rest of the managed section from ${this.file}; ngrokd writes it again`,
    };
  }

  #notesOn(text: string, names: Names): Names {
    const notes = new Map<string, string>();
    for (const [name, line] of findOutside(text, names)) {
      notes.set(name, `line ${line} of ${this.file} gives this name an address too`);
    }
    return notes;
  }
}

/** Options of {@linkcode HostsFile}. */
export interface HostsFileOptions {
  readonly files: ReplaceFileSystem;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
  /**
   * True if an earlier run created the file: it is removed with the section then.
   *
   * @default {false}
   */
  readonly created?: boolean;
  /** Called before each write; `created` is true if ngrokd creates the file or has created it. */
  readonly record?: (change: { path: string; created: boolean }) => Promise<void>;
}

type Names = ReadonlyMap<string, string>;

interface CheckedNames {
  readonly revision: number | undefined;
  readonly valid: Names;
  /** Name → reason. */
  readonly refused: Names;
}

/** The file as it was last written or found right. */
interface WrittenFile {
  readonly text: string;
  readonly block: string;
  /** The revision of its names. */
  readonly revision: number | undefined;
  readonly notes: Names;
}

function checkNames(names: Names, revision?: number): CheckedNames {
  const valid = new Map<string, string>();
  const refused = new Map<string, string>();
  for (const [name, address] of names) {
    const reason = refuseHostsLine(name, address);
    if (reason === undefined) valid.set(name, address);
    else refused.set(name, reason);
  }
  return { revision, valid, refused };
}

function hintFor(error: FileError): string | undefined {
  const another = "or set NGROKD_HOSTS_PATH to another file";
  switch (error.reason) {
    case "denied":
      // Even root is denied a file with the immutable attribute (chattr +i).
      return `Run ngrokd as root, check for the immutable attribute (lsattr ${error.path}), ${another}`;
    case "read_only":
      return `Make its file system writable, ${another}`;
    case "not_regular":
      return `Put a regular file there, ${another}`;
    case "full":
      return "Make room on the disk; ngrokd retries at the next poll";
    default:
      return error.hint;
  }
}
