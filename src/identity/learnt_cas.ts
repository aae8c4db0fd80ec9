import { FileError, messageOf } from "../model/errors.ts";
import type { ListedCa } from "./listed_cas.ts";
import type { Anchor } from "./judge_chain.ts";
import type { SeenCertificate } from "./seen_certificate.ts";
import { readCas } from "./trust.ts";

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
  #certificates: readonly SeenCertificate[] = [];
  #problem: FileError | undefined;

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

  /** Those that are within their dates; the TLS of the runtime would trust an anchor that has expired. */
  anchors(nowMs: number): Anchor[] {
    return this.#certificates
      .filter((certificate) => isCurrent(certificate, nowMs))
      .map((certificate) => ({ certificate, source: "learnt", file: this.path }));
  }

  /** Reads the file; one that holds anything that is not on the list is not used at all. */
  async load(): Promise<void> {
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
      if (error.reason === "missing" && this.#certificates.length > 0 && this.#unsaved) return;
      this.#certificates = [];
      if (error.reason !== "missing") this.#problem = error;
    }
  }

  /** Whether this one may be learnt: it is on the list, is a CA, and is within its dates. */
  mayLearn(certificate: SeenCertificate, nowMs: number): boolean {
    return this.#isListed(certificate) && certificate.isCa && isCurrent(certificate, nowMs);
  }

  /** Why it may not be learnt; goes on from its name. */
  whyNot(certificate: SeenCertificate, nowMs: number): string {
    if (!this.#isListed(certificate)) return "is not a CA of ngrok that this version knows";
    return certificate.isCa && nowMs > certificate.notAfter
      ? `expired on ${new Date(certificate.notAfter).toISOString()}`
      : certificate.isCa
      ? "is not valid yet"
      : "is not a CA";
  }

  /** Trusts a CA from now on and saves it; one that cannot be saved counts until the end of this process, and is a problem. */
  async learn(certificate: SeenCertificate): Promise<void> {
    const { path, files } = this.#options;
    if (!this.mayLearn(certificate, Date.now())) throw new TypeError("Cannot learn a CA that is not listed");
    const others = this.#certificates.filter(({ sha256 }) => sha256 !== certificate.sha256);
    this.#certificates = [...others, certificate];
    try {
      const text = this.#certificates.map(({ pem }) => pem).join("");
      await files.writeFileAtomic(path, text, { mode: PUBLIC });
      this.#problem = undefined;
      this.#unsaved = false;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#unsaved = true;
      this.#problem = new FileError(`Cannot keep the CA that was learnt: ${messageOf(error)}`, {
        path,
        reason: error.reason,
        hint: error.hint,
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
    return forgotten;
  }

  /** The last write failed: a reload must not forget it. */
  #unsaved = false;

  #isListed({ sha256 }: SeenCertificate): boolean {
    return this.#options.listed.some((entry) => entry.sha256 === sha256);
  }
}

function isCurrent({ notBefore, notAfter }: SeenCertificate, nowMs: number): boolean {
  return notBefore <= nowMs && nowMs <= notAfter;
}
