import { Buffer } from "node:buffer";
import { Mutex } from "../../lib/mutex.ts";
import { FileError } from "../../model/errors.ts";
import { RepairLimit } from "../repair_limit.ts";
import { type HostsFileSystem, removeStray, replaceFile } from "../replace_file.ts";
import { readServer, replaceServer } from "./resolv_conf_text.ts";
import type { DnsServer, Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";
import { ROOT, routingDomains } from "./routing_domains.ts";

const MAX_BYTES = 1024 * 1024;
const MAX_TRIES = 3;
const BACKUP_MODE = 0o644;

/** The port that every program asks which reads a resolv.conf(5). */
const PORT = 53;

/** What {@linkcode ResolvConf} is made with. */
export interface ResolvConfOptions {
  readonly files: HostsFileSystem;
  /** Where the file as others want it is kept as long as our line stands in it, for people. */
  readonly backup: string;
  /** Whether the file is ours to change; asked each time. @default {() => true} */
  readonly managed?: () => boolean;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
  /** Called before the file is changed for the first time. */
  readonly record?: (change: { kind: "resolv_conf"; path: string; backup: string }) => Promise<void>;
}

/**
 * Names our DNS server before all others in resolv.conf, for every name, and keeps all else that stands there or comes to stand there. What
 * goes at the end is our two lines, and not what others wrote in the meantime: the backup is never put back.
 */
export class ResolvConf implements Resolver {
  readonly kind = "resolv_conf";
  readonly off = undefined;
  /** The file. */
  readonly target: string;
  readonly #temporary: string;
  readonly #files: HostsFileSystem;
  readonly #backup: string;
  readonly #managed: () => boolean;
  readonly #record: NonNullable<ResolvConfOptions["record"]>;
  readonly #repairs: RepairLimit;
  readonly #turns = new Mutex();
  #recorded = false;
  #swept = false;
  #saidInPlace = false;
  /** The address in our line as we left it. */
  #left: string | undefined;

  constructor(path: string, options: ResolvConfOptions) {
    const { files, backup, managed = () => true, now = () => performance.now() } = options;
    this.target = path;
    this.#temporary = `${path}.ngrokd.tmp`;
    this.#files = files;
    this.#backup = backup;
    this.#managed = managed;
    this.#record = options.record ?? (() => Promise.resolve());
    this.#repairs = new RepairLimit(now);
  }

  async observe(): Promise<ReadonlyMap<string, string> | undefined> {
    try {
      const address = readServer(toText(await this.#read()));
      return new Map(address === undefined ? [] : [[ROOT, `${address}:${PORT}`]]);
    } catch (error) {
      if (error instanceof FileError) return undefined;
      throw error;
    }
  }

  apply(wish: ResolverRequest): Promise<ResolverOutcome> {
    const { domains, refused } = routingDomains(wish.domains);
    return this.#turns.run(async () => {
      if (domains.length === 0) return { ...await this.#try(() => this.#withdraw()), refused };
      return { ...await this.#try(() => this.#apply(wish)), refused };
    });
  }

  withdraw(): Promise<ResolverOutcome> {
    return this.#turns.run(() => this.#try(() => this.#withdraw()));
  }

  async #try(step: () => Promise<Partial<ResolverOutcome>>): Promise<ResolverOutcome> {
    const nothing = { changed: false, refused: new Map<string, string>(), warnings: [] };
    try {
      if (!this.#swept) await removeStray(this.#temporary, this.#files);
      this.#swept = true;
      return { ...nothing, ...await step() };
    } catch (error) {
      if (error instanceof FileError) return { ...nothing, problem: error.message, hint: hintFor(error) };
      throw error;
    }
  }

  async #apply({ server }: ResolverRequest): Promise<Partial<ResolverOutcome>> {
    const refusal = this.#refusal(server);
    if (refusal !== undefined) return { ...await this.#withdraw(), ...refusal };
    const outcome = await this.#update(server.address);
    if (outcome.problem === undefined) this.#left = server.address;
    return outcome;
  }

  #refusal(server: DnsServer): { problem: string; hint: string } | undefined {
    if (!this.#managed()) {
      return {
        problem: `Cannot change ${this.target}: dns.manage_resolv_conf does not allow it`,
        hint: "Set dns.manage_resolv_conf to true",
      };
    }
    if (server.port === PORT) return undefined;
    return {
      problem: `Cannot name port ${server.port} in ${this.target}: programs ask port ${PORT} only`,
      hint: `Leave the port out of dns.listen, and let port ${PORT} be free on that address`,
    };
  }

  async #withdraw(): Promise<Partial<ResolverOutcome>> {
    this.#left = undefined;
    const outcome = await this.#update(undefined);
    if (outcome.problem === undefined) await this.#files.removeFile(this.#backup);
    return outcome;
  }

  async #update(address: string | undefined): Promise<Partial<ResolverOutcome>> {
    const warnings: string[] = [];
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const old = await this.#read();
      const text = toText(old);
      const wanted = replaceServer(text, address);
      if (wanted === text) return { warnings };
      const refusal = await this.#refuseToWrite();
      if (refusal !== undefined) return { ...refusal, warnings };
      if (this.#left === address && address !== undefined && warnings.length === 0) {
        if (!this.#repairs.take()) {
          return {
            problem: `Cannot keep our server in ${this.target}: another program keeps rewriting it`,
            hint: "Find the program that writes it and stop it; our line is put back every 5 minutes",
          };
        }
        warnings.push(`${this.target} was changed by another program: our server is put first again`);
      }
      if (address !== undefined) await this.#prepare(toBytes(replaceServer(text, undefined)));
      const result = await replaceFile(this.target, {
        old,
        next: toBytes(wanted),
        files: this.#files,
        temporary: this.#temporary,
        maxBytes: MAX_BYTES,
      });
      if (result === "overtaken") continue;
      if (result === "in_place" && !this.#saidInPlace) {
        this.#saidInPlace = true;
        warnings.push(`${this.target} cannot be replaced as a whole: it is written where it stands`);
      }
      return { changed: true, warnings };
    }
    return { problem: `Cannot write ${this.target}: another program writes it at the same time`, warnings };
  }

  /** A link is another program's decision, and what it leads to is that program's file. */
  async #refuseToWrite(): Promise<{ problem: string; hint: string } | undefined> {
    const stat = await this.#files.statPath(this.target);
    if (stat === undefined) {
      return {
        problem: `Cannot change ${this.target}: there is no such file`,
        hint: "Make it, with the nameservers of this network",
      };
    }
    if (stat.kind !== "symlink") return undefined;
    return {
      problem: `Cannot change ${this.target}: it is a link to a file that another program keeps`,
      hint: `Name our server where that program is configured, or make ${this.target} a file`,
    };
  }

  /** Writes down what is about to be changed, and how it stands without us. */
  async #prepare(original: Uint8Array): Promise<void> {
    if (!this.#recorded) await this.#record({ kind: "resolv_conf", path: this.target, backup: this.#backup });
    this.#recorded = true;
    await this.#files.createFile(this.#backup, original, { mode: BACKUP_MODE });
  }

  #read(): Promise<Uint8Array | undefined> {
    return this.#files.readBytesIfAny(this.target, MAX_BYTES);
  }
}

function toText(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function toBytes(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

function hintFor(error: FileError): string | undefined {
  if (error.reason === "denied") return "Run ngrokd as a user who may write the file";
  if (error.reason === "full") return "Make room on the disk; it is tried again at the next poll";
  return error.hint;
}
