import type { FileError } from "../../model/errors.ts";
import { type Edit, ManagedFile, toBytes } from "../managed_file.ts";
import type { ChangeOutcome } from "../outcome.ts";
import type { ReplaceFileSystem } from "../replace_file.ts";
import { readNameservers, replaceServer } from "./resolv_conf_text.ts";
import type { Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";
import { routingDomains } from "./routing_domains.ts";

const MAX_BYTES = 1024 * 1024;
const BACKUP_MODE = 0o644;

/** The only port that a resolv.conf(5) can express. */
const PORT = 53;

/**
 * A resolv.conf that names our DNS server before all others, for every name, and keeps all other
 * content. Withdrawal removes our two lines and nothing that others wrote in the meantime, so the
 * backup is never restored.
 */
export class ResolvConf implements Resolver {
  readonly kind = "resolv_conf";
  readonly label: string;
  readonly #path: string;
  readonly #file: ManagedFile;
  readonly #options: ResolvConfOptions;
  #recorded = false;
  /** The address by which our line is recognised; undefined if others have such a line. */
  #server: string | undefined;
  /** The address before it, which our line has if the last write failed. */
  #earlier: string | undefined;
  /** The address in our line as it was last written. */
  #written: string | undefined;

  constructor(path: string, options: ResolvConfOptions) {
    const { files, now } = options;
    this.label = path;
    this.#path = path;
    this.#file = new ManagedFile(path, { files, maxBytes: MAX_BYTES, now, hintFor });
    this.#options = options;
    this.#server = options.server;
    this.#earlier = options.earlier;
  }

  async apply(request: ResolverRequest): Promise<ResolverOutcome> {
    const { domains, refused } = routingDomains(request.domains);
    const outcome = await this.#file.run(() =>
      domains.length === 0 ? this.#withdraw() : this.#apply(request)
    );
    return { ...outcome, refused };
  }

  async withdraw(): Promise<ResolverOutcome> {
    return { ...await this.#file.run(() => this.#withdraw()), refused: new Map() };
  }

  async #apply(request: ResolverRequest): Promise<ChangeOutcome> {
    const refusal = this.#refuseServer(request);
    if (refusal !== undefined) return { ...await this.#withdraw(), ...refusal };
    const { address } = request.server;
    const outcome = await this.#file.update((text) => this.#edit(text, address));
    if (outcome.problem === undefined) this.#written = address;
    return outcome;
  }

  async #withdraw(): Promise<ChangeOutcome> {
    this.#written = undefined;
    const { files, backup } = this.#options;
    const outcome = await this.#file.update((text) => this.#edit(text, undefined));
    if (outcome.problem !== undefined) return outcome;
    await this.#forgetServer();
    await files.removeFile(backup);
    return outcome;
  }

  #refuseServer({ server, noUpstream }: ResolverRequest): Refusal | undefined {
    if (this.#options.managed?.() === false) {
      return {
        problem: `Cannot change ${this.#path}: dns.manage_resolv_conf does not allow it`,
        hint: "Set dns.manage_resolv_conf to true",
      };
    }
    if (noUpstream !== undefined) {
      const { problem, hint } = noUpstream;
      return {
        problem: `Cannot change ${this.#path}: other names would not resolve, because ${problem}`,
        hint,
      };
    }
    if (server.port === PORT) return undefined;
    return {
      problem: `Cannot use port ${server.port} in ${this.#path}: it can only name servers on port ${PORT}`,
      hint: `Remove the port from dns.listen, and keep port ${PORT} of that address free`,
    };
  }

  async #edit(text: string, address: string | undefined): Promise<Edit> {
    const own = { written: this.#server, earlier: this.#earlier };
    const next = replaceServer(text, address, own);
    if (next === text) return { next };
    const refusal = await this.#refuseFile();
    if (refusal !== undefined) return refusal;
    if (address === undefined) return { next };
    const original = replaceServer(text, undefined, own);
    const server = readNameservers(original).includes(address) ? undefined : address;
    const beforeWrite = () => this.#backUp(toBytes(original), server);
    return { next, isRepair: this.#written === address, beforeWrite };
  }

  /** Refuses a symlink: another program has made it, and its target is a file of that program. */
  async #refuseFile(): Promise<Refusal | undefined> {
    const stat = await this.#options.files.statPath(this.#path);
    if (stat === undefined) {
      return {
        problem: `Cannot change ${this.#path}: there is no such file`,
        hint: "Create it, with the nameservers of this network",
      };
    }
    if (stat.kind !== "symlink") return undefined;
    return {
      problem: `Cannot change ${this.#path}: it is a symlink to a file of another program`,
      hint:
        `Add the DNS server of ngrokd to the configuration of that program, or make ${this.#path} a regular file`,
    };
  }

  /** Others may write a line with this address now. */
  async #forgetServer(): Promise<void> {
    if (this.#server === undefined) return;
    const { backup, record } = this.#options;
    this.#server = undefined;
    this.#earlier = undefined;
    this.#recorded = await record?.({ kind: "resolv_conf", path: this.#path, backup }) !== false;
  }

  async #backUp(original: Uint8Array, server: string | undefined): Promise<void> {
    const { files, backup, record } = this.#options;
    const change = { kind: "resolv_conf", path: this.#path, backup } as const;
    if (server !== this.#server) this.#earlier = this.#server;
    if (!this.#recorded || server !== this.#server) {
      const earlier = this.#earlier === undefined ? {} : { earlier: this.#earlier };
      const isSaved = await record?.(server === undefined ? change : { ...change, server, ...earlier });
      this.#recorded = isSaved !== false;
    }
    this.#server = server;
    await files.createFile(backup, original, { mode: BACKUP_MODE });
  }
}

/** Options of {@linkcode ResolvConf}. */
export interface ResolvConfOptions {
  readonly files: ReplaceFileSystem;
  /** A copy without our lines, for people. It exists as long as the lines are in the file. */
  readonly backup: string;
  /** Returns true if the file may be changed; called each time. @default {() => true} */
  readonly managed?: () => boolean;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
  /** The address that an earlier run wrote, if it is known and others have none like it. */
  readonly server?: string | undefined;
  /** The address before it, if that run may have failed to replace it. */
  readonly earlier?: string | undefined;
  /**
   * Called before the first change of the file, before one to another address, and after the
   * withdrawal. Returns false if it could not save the record; the next change calls it again.
   */
  readonly record?: (change: ResolvConfChange) => Promise<boolean>;
}

/** A change of resolv.conf. */
export interface ResolvConfChange {
  readonly kind: "resolv_conf";
  readonly path: string;
  readonly backup: string;
  /** The address in our line; undefined if there is none, or if others have a line like it. */
  readonly server?: string;
  /** The address in it until the change is made. */
  readonly earlier?: string;
}

interface Refusal {
  readonly problem: string;
  readonly hint: string | undefined;
}

function hintFor(error: FileError): string | undefined {
  if (error.reason === "denied") return "Run ngrokd as a user who may write the file";
  if (error.reason === "full") return "Make room on the disk; ngrokd retries at the next poll";
  return error.hint;
}
