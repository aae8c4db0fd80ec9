import { Buffer } from "node:buffer";
import { Mutex } from "../../lib/mutex.ts";
import { FileError } from "../../model/errors.ts";
import { findOutside, readBlock, replaceBlock } from "./hosts_block.ts";
import type { NamePublisher, PublishOutcome } from "./publisher.ts";
import { refuseHostsLine } from "./refuse_names.ts";
import { RepairLimit } from "../repair_limit.ts";
import { type HostsFileSystem, removeStray, replaceFile } from "../replace_file.ts";

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_TRIES = 3;

type Names = ReadonlyMap<string, string>;

/** What {@linkcode HostsFile} is made with. */
export interface HostsFileOptions {
  readonly files: HostsFileSystem;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
  /** Whether an earlier run made the file: it goes with our section then. @default {false} */
  readonly created?: boolean;
  /** Called before the file is written; `created` if we are the ones who make it. */
  readonly record?: (change: { path: string; created: boolean }) => Promise<void>;
}

/**
 * Keeps our section of a hosts file, as its only writer in this program. Readers see the old file or the new one, and every byte outside
 * the section stays.
 */
export class HostsFile implements NamePublisher {
  readonly kind = "hosts";
  readonly off = undefined;
  /** The file. */
  readonly target: string;
  readonly #temporary: string;
  readonly #files: HostsFileSystem;
  readonly #repairs: RepairLimit;
  readonly #turns = new Mutex();
  readonly #record: NonNullable<HostsFileOptions["record"]>;
  #created: boolean;
  #swept = false;
  #saidInPlace = false;
  /** The names of the last publication. */
  #judged: { readonly names: Names; readonly fit: Names; readonly refused: Names } | undefined;
  /** The whole file and our section as we left them, for which names, and what was unusual; undefined before the first publication. */
  #left:
    | {
      readonly text: string;
      readonly block: string;
      readonly names: Names;
      readonly notes: Map<string, string>;
    }
    | undefined;

  constructor(path: string, options: HostsFileOptions) {
    const { files, now = () => performance.now(), created = false } = options;
    const { record = () => Promise.resolve() } = options;
    this.target = path;
    this.#temporary = `${path}.ngrokd.tmp`;
    this.#files = files;
    this.#repairs = new RepairLimit(now);
    this.#created = created;
    this.#record = record;
  }

  async observe(): Promise<ReadonlyMap<string, string> | undefined> {
    try {
      return readBlock(toText(await this.#read()));
    } catch (error) {
      if (error instanceof FileError) return undefined;
      throw error;
    }
  }

  publish(names: ReadonlyMap<string, string>): Promise<PublishOutcome> {
    return this.#turns.run(() => this.#publish(names, false));
  }

  withdraw(): Promise<PublishOutcome> {
    return this.#turns.run(() => this.#publish(new Map(), true));
  }

  async #publish(names: ReadonlyMap<string, string>, last: boolean): Promise<PublishOutcome> {
    if (names !== this.#judged?.names) this.#judged = { names, ...judge(names) };
    const { fit, refused } = this.#judged;
    const nothing = { changed: false, refused, notes: new Map<string, string>(), warnings: [] };
    try {
      if (!this.#swept) await removeStray(this.#temporary, this.#files);
      this.#swept = true;
      return { ...nothing, ...await this.#update(fit, last) };
    } catch (error) {
      if (error instanceof FileError) return { ...nothing, problem: error.message, hint: hintFor(error) };
      throw error;
    }
  }

  async #update(names: ReadonlyMap<string, string>, last: boolean): Promise<Partial<PublishOutcome>> {
    const warnings: string[] = [];
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const old = await this.#read();
      const text = toText(old);
      const same = this.#left;
      if (!last && same?.names === names && same.text === text) return { notes: same.notes, warnings };
      const wanted = replaceBlock(text, names);
      if ("problem" in wanted) {
        return {
          problem: `Cannot edit ${this.target}: line ${wanted.problem.line} ${wanted.problem.message}`,
          hint:
            `Remove what is left of the managed section from ${this.target} by hand; it is written anew then`,
        };
      }
      // The scan of a large file takes long, and the same text gives the same notes.
      const notes = wanted.text === this.#left?.text ? this.#left.notes : this.#notesOn(text, names);
      const left = { text: wanted.text, block: wanted.block, names, notes };
      const remove = last && this.#created && wanted.text === "" && old !== undefined;
      if (wanted.text === text && !remove) {
        this.#left = left;
        return { notes, warnings };
      }
      const overwritten = this.#left !== undefined && wanted.was !== this.#left.block;
      if (overwritten && warnings.length === 0) {
        if (!last && !this.#repairs.take()) {
          return {
            problem: `Cannot keep names in ${this.target}: another program keeps rewriting it`,
            hint: "Find the program that writes it and stop it; our section is put back every 5 minutes",
            notes,
          };
        }
        warnings.push(`The managed section of ${this.target} was changed by another program: it is put back`);
      }
      if (remove) {
        await this.#files.removeFile(this.target);
        this.#left = left;
        return { changed: true, notes, warnings };
      }
      this.#created ||= old === undefined;
      await this.#record({ path: this.target, created: this.#created });
      const result = await replaceFile(this.target, {
        old,
        next: Buffer.from(wanted.text, "latin1"),
        files: this.#files,
        temporary: this.#temporary,
        maxBytes: MAX_BYTES,
      });
      if (result === "overtaken") continue;
      this.#left = left;
      if (result === "in_place" && !this.#saidInPlace) {
        this.#saidInPlace = true;
        warnings.push(`${this.target} cannot be replaced as a whole: it is written where it stands`);
      }
      return { changed: true, notes, warnings };
    }
    return { problem: `Cannot write ${this.target}: another program writes it at the same time`, warnings };
  }

  #read(): Promise<Uint8Array | undefined> {
    return this.#files.readBytesIfAny(this.target, MAX_BYTES);
  }

  #notesOn(text: string, names: ReadonlyMap<string, string>): Map<string, string> {
    const notes = new Map<string, string>();
    for (const [name, line] of findOutside(text, names)) {
      notes.set(name, `line ${line} of ${this.target} gives this name an address too`);
    }
    return notes;
  }
}

function judge(names: Names): { fit: Names; refused: Names } {
  const fit = new Map<string, string>();
  const refused = new Map<string, string>();
  for (const [name, address] of names) {
    const reason = refuseHostsLine(name, address);
    if (reason === undefined) fit.set(name, address);
    else refused.set(name, reason);
  }
  return { fit, refused };
}

/** One character per byte, so that what is not UTF-8 survives too. */
function toText(bytes: Uint8Array | undefined): string {
  return bytes === undefined
    ? ""
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function hintFor(error: FileError): string | undefined {
  const another = "or name another file in NGROKD_HOSTS_PATH";
  switch (error.reason) {
    case "denied":
      // To root this happens too: chattr +i.
      return `Run ngrokd as root, and see whether the file is immutable (lsattr ${error.path}), ${another}`;
    case "read_only":
      return `Make its file system writable, ${another}`;
    case "not_regular":
      return `Put a regular file there, ${another}`;
    case "full":
      return "Make room on the disk; it is tried again at the next poll";
    default:
      return error.hint;
  }
}
