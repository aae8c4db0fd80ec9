import type { FileError } from "../../model/errors.ts";
import { ManagedFile } from "../managed_file.ts";
import type { ReplaceFileSystem } from "../replace_file.ts";
import { findOutside, type OutsideNames, replaceBlock } from "./hosts_block.ts";
import { ownLine, type OwnLines } from "./own_lines.ts";
import type { NamePublisher, PublishOutcome } from "./publisher.ts";
import { refuseHostsLine } from "./refuse_hosts_line.ts";

/** The largest hosts file. */
export const MAX_HOSTS_BYTES: number = 16 * 1024 * 1024;

/**
 * A hosts file with one section for ngrokd, of which this class is the only writer in the program.
 * Readers see the old file or the new one, and the lines of others stay. ngrokd's lines are
 * recognised by a record of them, so that it finds them wherever another program has put them.
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
  #own: OwnLines;
  /** The record in the journal; empty if there is none. */
  #saved: OwnLines;

  constructor(path: string, options: HostsFileOptions) {
    const { files, now, created = false, written, shared = [], isOwn = () => false } = options;
    const { record = () => Promise.resolve(true) } = options;
    this.file = path;
    this.#managed = new ManagedFile(path, { files, maxBytes: MAX_HOSTS_BYTES, now, hintFor });
    this.#created = created;
    this.#record = record;
    this.#own = {
      written: written === undefined ? undefined : new Set(written),
      shared: new Set(shared),
      mayBeStale: true,
      isOwn,
    };
    this.#saved = { ...this.#own, written: this.#own.written ?? new Set() };
  }

  /** The same object until it changes. */
  get own(): OwnLines {
    return this.#own;
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
        const replaced = replaceBlock(text, valid, { own: this.#own });
        // Scanning a large file is slow, and the same text has the same notes.
        const isScanned = last !== undefined && replaced.text === last.text;
        const { notes, own } = isScanned ? last : this.#found(valid, findOutside(replaced, valid));
        written = { text: replaced.text, block: replaced.block, revision, notes, own };
        const isRepair = !options.isLast && last !== undefined &&
          (replaced.oldBlock !== last.block || replaced.isChanged);
        const beforeWrite = async () => {
          this.#created ||= !exists;
          await this.#save({ ...own, written: new Set([...this.#own.written ?? [], ...own.written]) });
        };
        const isRemoved = options.isLast && this.#created && replaced.text === "" && exists;
        return { next: isRemoved ? undefined : replaced.text, isRepair, beforeWrite };
      });
      if (outcome.problem === undefined) {
        this.#written = written;
        // The record of a file without our lines goes with the change that is undone.
        if (options.isLast) this.#own = written!.own;
        else await this.#take(written!.own);
      }
      // While another program keeps rewriting the file, the names are in it at times.
      if (outcome.problem === undefined || gaveUp) notes = written!.notes;
      return outcome;
    });
    return { ...outcome, refused, notes };
  }

  #found(names: Names, { lines, shared }: OutsideNames): Pick<WrittenFile, "notes" | "own"> {
    const written = new Set([...names].map(([name, address]) => ownLine(address, name)));
    const notes = new Map(
      [...lines].map(([name, line]) =>
        [name, `line ${line} of ${this.file} gives this name an address too`] as const
      ),
    );
    return { notes, own: { ...this.#own, written, shared, mayBeStale: false } };
  }

  /** Forgets the lines that are no longer in the file: others may write such ones now. */
  async #take(own: WrittenLines): Promise<void> {
    if (this.#own.mayBeStale || !isSame(this.#own, own)) this.#own = own;
    if (!isSame(this.#saved, own)) await this.#save(own);
  }

  async #save(own: WrittenLines): Promise<void> {
    const [written, shared] = [[...own.written], [...own.shared]];
    const isSaved = await this.#record({
      path: this.file,
      created: this.#created,
      written,
      ...(shared.length === 0 ? {} : { shared }),
    });
    if (isSaved) this.#saved = own;
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
  /** The lines that an earlier run wrote, each `address\tname`; undefined if they are not known. */
  readonly written?: readonly string[] | undefined;
  /** Those of them that others had in the file, too. @default {[]} */
  readonly shared?: readonly string[] | undefined;
  /** Returns true for an address to which only ngrokd gives names. @default {() => false} */
  readonly isOwn?: OwnLines["isOwn"];
  /**
   * Called before each write, and after one that removed lines. Returns false if it could not save
   * the record; the next publication calls it again.
   */
  readonly record?: (change: HostsRecord) => Promise<boolean>;
}

/** The record of the changes to a hosts file. */
export interface HostsRecord {
  readonly path: string;
  /** True if ngrokd creates the file or has created it. */
  readonly created: boolean;
  /** The lines that the file may have. */
  readonly written: string[];
  /** Those of them that others have in the file, too. @default {[]} */
  readonly shared?: string[];
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
  readonly own: WrittenLines;
}

interface WrittenLines extends OwnLines {
  readonly written: ReadonlySet<string>;
}

function isSame(a: OwnLines, b: WrittenLines): boolean {
  return a === b || a.written !== undefined && areSame(a.written, b.written) && areSame(a.shared, b.shared);
}

function areSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
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
