import { FileError, messageOf } from "../model/errors.ts";
import { validityProblem } from "../x509/expiry.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import type { ListedCa } from "./listed_cas.ts";
import { readCas } from "./load_trust.ts";
import type { TrustedCa } from "./trusted_ca.ts";

const PUBLIC = 0o644;

/**
 * The learnt CAs and their file (docs/decisions/0012). The file is input like any other: only
 * listed CAs are accepted from it.
 */
export class LearntCas {
  readonly #options: LearntOptions;
  #certificates: readonly ParsedCertificate[] = [];
  #problem: FileError | undefined;
  /** True if the last write failed. A reload must keep the CAs then. */
  #isUnsaved = false;

  constructor(options: LearntOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** The reason why the file cannot be used or written. */
  get problem(): FileError | undefined {
    return this.#problem;
  }

  /** All learnt CAs, also those outside their validity dates. */
  get cas(): TrustedCa[] {
    return this.#certificates.map((certificate) => ({ certificate, source: "learnt", file: this.path }));
  }

  /**
   * Reads the file, and saves CAs that could not be saved before. A file with any certificate that
   * is not listed is not used at all.
   */
  async load(): Promise<void> {
    const unsaved = this.#isUnsaved ? this.#certificates : [];
    await this.#read();
    if (unsaved.length === 0) return;
    const known = new Set(this.#certificates.map(({ sha256 }) => sha256));
    this.#certificates = [...this.#certificates, ...unsaved.filter(({ sha256 }) => !known.has(sha256))];
    if (this.#problem === undefined) await this.#save();
  }

  /**
   * Returns true if this CA may be learnt: it is listed, is a CA, and is within its validity dates.
   */
  mayLearn(certificate: ParsedCertificate, nowMs: number): boolean {
    return this.learnProblem(certificate, nowMs) === undefined;
  }

  /**
   * Returns the reason why this CA may not be learnt; continues a sentence that begins with its
   * name.
   */
  learnProblem(certificate: ParsedCertificate, nowMs: number): string | undefined {
    if (!this.#isListed(certificate)) return "is not a CA of ngrok that this version knows";
    return certificate.isCa ? validityProblem(certificate, nowMs) : "is not a CA";
  }

  /**
   * Trusts a CA from now on and saves it in place of those that have expired. If it cannot be
   * saved, it is used until the end of this process, and `problem` has the reason.
   */
  async learn(certificate: ParsedCertificate): Promise<void> {
    const nowMs = Date.now();
    if (!this.mayLearn(certificate, nowMs)) throw new TypeError("Cannot learn a CA that is not listed");
    const others = this.#certificates.filter(({ sha256, notAfter }) =>
      sha256 !== certificate.sha256 && notAfter >= nowMs
    );
    this.#certificates = [...others, certificate];
    await this.#save();
  }

  /**
   * Forgets all learnt CAs and returns their fingerprints.
   *
   * @throws {FileError} If the file cannot be removed.
   */
  async forget(): Promise<string[]> {
    const { path, files } = this.#options;
    await files.removeFile(path);
    const forgotten = this.#certificates.map(({ sha256 }) => sha256);
    this.#certificates = [];
    this.#problem = undefined;
    this.#isUnsaved = false;
    return forgotten;
  }

  async #read(): Promise<void> {
    const { path, files } = this.#options;
    this.#problem = undefined;
    try {
      const certificates = await readCas(path, files);
      const foreign = certificates.find((certificate) => !this.#isListed(certificate));
      if (foreign !== undefined) {
        throw new FileError(
          `Cannot trust ${path}: "${foreign.subject}" (SHA-256 ${foreign.sha256}) is not a CA of ngrok that this version knows`,
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
      this.#problem = new FileError(`Cannot save the learnt CA: ${messageOf(error)}`, {
        path,
        reason: error.reason,
        hint: `${error.hint === undefined ? "" : `${error.hint}. `}It is in use; a SIGHUP saves it again`,
        cause: error,
      });
    }
  }

  #isListed({ sha256 }: ParsedCertificate): boolean {
    return this.#options.listed.some((entry) => entry.sha256 === sha256);
  }
}

/** Options of {@linkcode LearntCas}. */
export interface LearntOptions {
  /** The PEM file of the learnt CAs. */
  readonly path: string;
  /** The CAs that may be learnt, and read from the file. */
  readonly listed: readonly ListedCa[];
  readonly files: LearntFiles;
}

/** The file operations that {@linkcode LearntCas} needs. They throw {@linkcode FileError}. */
export interface LearntFiles {
  readText(path: string): Promise<string>;
  writeFileAtomic(path: string, text: string, options: { mode: number }): Promise<void>;
  removeFile(path: string): Promise<void>;
}
