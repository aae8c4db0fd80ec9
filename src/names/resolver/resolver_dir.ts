import { Mutex } from "../../lib/mutex.ts";
import { FileError } from "../../model/errors.ts";
import { TEMPORARY_SUFFIX } from "../../model/state_files.ts";
import type { DnsServerAddress, Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";
import { refusedNames, routingDomains } from "./routing_domains.ts";

/** The first line of our files, as the Go daemon writes it (docs/compatibility.md 4.10). */
const MARKER = "# ngrokd managed";

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** More than the size of any file of ours. */
const MAX_BYTES = 4096;

/**
 * The directory of macOS with one file for each domain that has its own DNS server (resolver(5)). A
 * file without our marker is never touched.
 */
export class ResolverDir implements Resolver {
  readonly kind = "resolver_dir";
  readonly label: string;
  readonly #path: string;
  readonly #files: ResolverDirFiles;
  readonly #record: NonNullable<ResolverDirOptions["record"]>;
  readonly #mutex = new Mutex();
  #recorded = false;

  constructor(path: string, options: ResolverDirOptions) {
    this.label = path;
    this.#path = path;
    this.#files = options.files;
    this.#record = options.record ?? (() => Promise.resolve());
  }

  apply(request: ResolverRequest): Promise<ResolverOutcome> {
    return this.#mutex.run(() => this.#apply(request));
  }

  withdraw(): Promise<ResolverOutcome> {
    return this.apply({ server: { address: "", port: 0 }, domains: [] });
  }

  async #apply({ server, domains: names }: ResolverRequest): Promise<ResolverOutcome> {
    const { domains, refused } = routingDomains(names);
    const text = renderFile(server);
    const taken = new Map<string, string>();
    let changed = false;
    try {
      const { ours, foreign } = await this.#scan();
      for (const domain of ours.keys()) {
        if (domains.includes(domain)) continue;
        await this.#files.removeFile(`${this.#path}/${domain}`);
        changed = true;
      }
      for (const domain of domains) {
        if (foreign.has(domain)) {
          taken.set(domain, `${this.#path}/${domain} is a file of another program`);
        } else if (ours.get(domain) !== text) {
          await this.#write(domain, text);
          changed = true;
        }
      }
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const hint = error.reason === "denied" ? "Run ngrokd as a user who may write there" : error.hint;
      return { changed, problem: error.message, hint, refused };
    }
    return { changed, refused: new Map([...refused, ...refusedNames(names, taken)]) };
  }

  /**
   * Reads which files are ours. A leftover temporary file has our marker and belongs to no domain,
   * so it is removed too.
   */
  async #scan(): Promise<{ ours: Map<string, string>; foreign: Set<string> }> {
    const ours = new Map<string, string>();
    const foreign = new Set<string>();
    for (const name of await this.#files.listDirectory(this.#path)) {
      const text = await this.#readOwn(`${this.#path}/${name}`);
      if (text === undefined) foreign.add(name);
      else ours.set(name, text);
    }
    return { ours, foreign };
  }

  async #readOwn(path: string): Promise<string | undefined> {
    const stat = await this.#files.statPath(path);
    if (stat?.kind !== "file" || stat.size > MAX_BYTES) return undefined;
    const bytes = await this.#files.readBytesIfAny(path, MAX_BYTES);
    const text = new TextDecoder().decode(bytes);
    return text === MARKER || text.startsWith(`${MARKER}\n`) ? text : undefined;
  }

  async #write(domain: string, text: string): Promise<void> {
    if (!this.#recorded) {
      await this.#record({ kind: "resolver_dir", path: this.#path });
      await this.#files.makeDirectory(this.#path, DIRECTORY_MODE);
    }
    this.#recorded = true;
    const temporary = `${this.#path}/${TEMPORARY_SUFFIX}`;
    await this.#files.writeFileAtomic(`${this.#path}/${domain}`, text, { mode: FILE_MODE, temporary });
  }
}

/** The file operations that {@linkcode ResolverDir} needs. All throw {@linkcode FileError}. */
export interface ResolverDirFiles {
  listDirectory(path: string): Promise<string[]>;
  /** Does not follow a final symlink; undefined if there is no file. */
  statPath(path: string): Promise<{ readonly kind: string; readonly size: number } | undefined>;
  readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  makeDirectory(path: string, mode: number): Promise<void>;
  writeFileAtomic(path: string, text: string, options: { mode: number; temporary: string }): Promise<void>;
  removeFile(path: string): Promise<void>;
}

/** Options of {@linkcode ResolverDir}. */
export interface ResolverDirOptions {
  readonly files: ResolverDirFiles;
  /** Called before the first write. */
  readonly record?: (change: { kind: "resolver_dir"; path: string }) => Promise<unknown>;
}

function renderFile({ address, port }: DnsServerAddress): string {
  return `${MARKER}\nnameserver ${address}\nport ${port}\n`;
}
