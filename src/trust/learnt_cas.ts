import { FileError, messageOf } from "../model/errors.ts";
import { validityProblem } from "../x509/expiry.ts";
import type { ListedCa } from "./listed_cas.ts";
import type { TrustedCa } from "./judge_chain.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import { readCas } from "./load_trust.ts";

/** The file operations that {@linkcode LearntCas} needs; they throw {@linkcode FileError}. */
export interface LearntFiles {
  readText(path: string): Promise<string>;
  writeFileAtomic(path: string, text: string, options: { mode: number }): Promise<void>;
  removeFile(path: string): Promise<void>;
}

/** What {@linkcode LearntCas} needs. */
export interface LearntOptions {
  /** Where they are kept, PEM. */
  readonly path: string;
  /** Only these can be learnt, and are read back from the file. */
  readonly listed: readonly ListedCa[];
  readonly files: LearntFiles;
}

const PUBLIC = 0o644;

/** CAs of the ingress that were learnt from it, or fetched (DESIGN.md decision 7); the file is input like any other. */
export class LearntCas {
  readonly #options: LearntOptions;
  #certificates: readonly ParsedCertificate[] = [];
  #problem: FileError | undefined;
  /** The last write failed: a reload must not forget it. */
  #isUnsaved = false;

  constructor(options: LearntOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** Why the file cannot be used, or could not be written. */
  get problem(): FileError | undefined {
    return this.#problem;
  }

  /** All of them, those outside their dates too. */
  get cas(): TrustedCa[] {
    return this.#certificates.map((certificate) => ({ certificate, source: "learnt", file: this.path }));
  }

  /** Reads the file, one that holds anything that is not on the list is not used at all; what could not be kept before is tried again. */
  async load(): Promise<void> {
    const unsaved = this.#isUnsaved ? this.#certificates : [];
    await this.#read();
    if (unsaved.length === 0) return;
    const known = new Set(this.#certificates.map(({ sha256 }) => sha256));
    this.#certificates = [...this.#certificates, ...unsaved.filter(({ sha256 }) => !known.has(sha256))];
    if (this.#problem === undefined) await this.#save();
  }

  async #read(): Promise<void> {
    const { path, files } = this.#options;
    this.#problem = undefined;
    try {
      const certificates = await readCas(path, files);
      const stranger = certificates.find((certificate) => !this.#isListed(certificate));
      if (stranger !== undefined) {
        throw new FileError(
          `Cannot trust ${path}: "${stranger.subject}" (SHA-256 ${stranger.sha256}) is not a CA of ngrok that this version knows`,
          {
            path,
            reason: "other",
            hint: "Remove it: ngrokctl trust forget; a CA of your own: server.ingress_ca",
          },
        );
      }
      this.#certificates = certificates;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#certificates = [];
      if (error.reason !== "missing") this.#problem = error;
    }
  }

  /** Whether this one may be learnt: it is on the list, is a CA, and is within its dates. */
  mayLearn(certificate: ParsedCertificate, nowMs: number): boolean {
    return this.#isListed(certificate) && certificate.isCa &&
      validityProblem(certificate, nowMs) === undefined;
  }

  /** Why it may not be learnt; goes on from its name. */
  whyNot(certificate: ParsedCertificate, nowMs: number): string {
    if (!this.#isListed(certificate)) return "is not a CA of ngrok that this version knows";
    return certificate.isCa ? validityProblem(certificate, nowMs) ?? "cannot be used" : "is not a CA";
  }

  /** Trusts a CA from now on and saves it, in place of those that have expired; one that cannot be saved counts until the end of this process, and is a problem. */
  async learn(certificate: ParsedCertificate): Promise<void> {
    const nowMs = Date.now();
    if (!this.mayLearn(certificate, nowMs)) throw new TypeError("Cannot learn a CA that is not listed");
    const others = this.#certificates.filter(({ sha256, notAfter }) =>
      sha256 !== certificate.sha256 && notAfter >= nowMs
    );
    this.#certificates = [...others, certificate];
    await this.#save();
  }

  async #save(): Promise<void> {
    const { path, files } = this.#options;
    try {
      const text = this.#certificates.map(({ pem }) => pem).join("");
      await files.writeFileAtomic(path, text, { mode: PUBLIC });
      this.#problem = undefined;
      this.#isUnsaved = false;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#isUnsaved = true;
      this.#problem = new FileError(`Cannot keep the CA that was learnt: ${messageOf(error)}`, {
        path,
        reason: error.reason,
        hint: `${
          error.hint === undefined ? "" : `${error.hint}. `
        }It is in use; a SIGHUP tries again to keep it`,
        cause: error,
      });
    }
  }

  /** Forgets all of them; gives their fingerprints. @throws {FileError} If the file cannot be removed. */
  async forget(): Promise<string[]> {
    const { path, files } = this.#options;
    await files.removeFile(path);
    const forgotten = this.#certificates.map(({ sha256 }) => sha256);
    this.#certificates = [];
    this.#problem = undefined;
    this.#isUnsaved = false;
    return forgotten;
  }

  #isListed({ sha256 }: ParsedCertificate): boolean {
    return this.#options.listed.some((entry) => entry.sha256 === sha256);
  }
}
