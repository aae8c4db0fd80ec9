import { Mutex } from "../../lib/mutex.ts";
import { FileError } from "../../model/errors.ts";
import {
  type DnsServer,
  type Resolver,
  type ResolverOutcome,
  type ResolverRequest,
  serverText,
} from "./resolver.ts";
import { routingDomains } from "./routing_domains.ts";

/** The first line of each file that is ours; the Go daemon writes the same (COMPAT.md 4.10). */
const MARK = "# ngrokd managed";

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** Larger than any file of ours. */
const MAX_BYTES = 4096;

/** The verbs on files that it takes. All throw {@linkcode FileError}. */
export interface ResolverDirFiles {
  listDirectory(path: string): Promise<string[]>;
  /** Does not follow a final symlink; undefined if nothing is there. */
  statPath(path: string): Promise<{ readonly kind: string; readonly size: number } | undefined>;
  readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  makeDirectory(path: string, mode: number): Promise<void>;
  writeFileAtomic(path: string, text: string, options: { mode: number; temporary: string }): Promise<void>;
  removeFile(path: string): Promise<void>;
}

/** What {@linkcode ResolverDir} is made with. */
export interface ResolverDirOptions {
  readonly files: ResolverDirFiles;
  /** Called before anything is written for the first time. */
  readonly record?: (change: { kind: "resolver_dir"; path: string }) => Promise<void>;
}

/** Keeps a file for each domain in macOS's directory of resolvers (resolver(5)). A file without our mark is never touched. */
export class ResolverDir implements Resolver {
  readonly kind = "resolver_dir";
  readonly off = undefined;
  /** The directory. */
  readonly target: string;
  readonly #files: ResolverDirFiles;
  readonly #record: NonNullable<ResolverDirOptions["record"]>;
  readonly #turns = new Mutex();
  #recorded = false;

  constructor(path: string, options: ResolverDirOptions) {
    this.target = path;
    this.#files = options.files;
    this.#record = options.record ?? (() => Promise.resolve());
  }

  async observe(): Promise<ReadonlyMap<string, string> | undefined> {
    try {
      const { ours } = await this.#look();
      return new Map([...ours].map(([domain, text]) => [domain, readFile(text)]));
    } catch (error) {
      if (error instanceof FileError) return undefined;
      throw error;
    }
  }

  apply(wish: ResolverRequest): Promise<ResolverOutcome> {
    return this.#turns.run(() => this.#apply(wish));
  }

  withdraw(): Promise<ResolverOutcome> {
    return this.apply({ server: { address: "", port: 0 }, domains: [] });
  }

  async #apply(wish: ResolverRequest): Promise<ResolverOutcome> {
    const { domains, refused: notNames } = routingDomains(wish.domains);
    const refused = new Map(notNames);
    const text = renderFile(wish.server);
    let changed = false;
    try {
      const { ours, foreign } = await this.#look();
      for (const domain of ours.keys()) {
        if (domains.includes(domain)) continue;
        await this.#files.removeFile(`${this.target}/${domain}`);
        changed = true;
      }
      for (const domain of domains) {
        if (foreign.has(domain)) refused.set(domain, `${this.target}/${domain} is a file of another program`);
        else if (ours.get(domain) !== text) {
          await this.#write(domain, text);
          changed = true;
        }
      }
      return { changed, refused, warnings: [] };
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const hint = error.reason === "denied" ? "Run ngrokd as a user who may write there" : error.hint;
      return { changed, problem: error.message, hint, refused, warnings: [] };
    }
  }

  /** All that is in the directory. A stray temporary file bears our mark and is nobody's domain, so that it goes like any leftover. */
  async #look(): Promise<{ ours: Map<string, string>; foreign: Set<string> }> {
    const ours = new Map<string, string>();
    const foreign = new Set<string>();
    for (const name of await this.#files.listDirectory(this.target)) {
      const text = await this.#readOwn(`${this.target}/${name}`);
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
    return text === MARK || text.startsWith(`${MARK}\n`) ? text : undefined;
  }

  async #write(domain: string, text: string): Promise<void> {
    if (!this.#recorded) {
      await this.#record({ kind: "resolver_dir", path: this.target });
      await this.#files.makeDirectory(this.target, DIRECTORY_MODE);
    }
    this.#recorded = true;
    const temporary = `${this.target}/.ngrokd.tmp`;
    await this.#files.writeFileAtomic(`${this.target}/${domain}`, text, { mode: FILE_MODE, temporary });
  }
}

function renderFile({ address, port }: DnsServer): string {
  return `${MARK}\nnameserver ${address}\nport ${port}\n`;
}

function readFile(text: string): string {
  const value = (key: string) => new RegExp(`^${key} (\\S+)$`, "m").exec(text)?.[1] ?? "";
  return serverText({ address: value("nameserver"), port: Number(value("port")) });
}
