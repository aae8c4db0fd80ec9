import { getLogger } from "@logtape/logtape";
import type { TrustedCa, UnusableCa } from "./judge_chain.ts";
import { LearntCas } from "./learnt_cas.ts";
import { LISTED_CAS, type ListedCa } from "./listed_cas.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import { loadTrust } from "./load_trust.ts";
import { splitUsable, unusableText } from "./usable_cas.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "identity"]);

const CA_DIRECTORY = "/etc/ssl/certs/ngrok";

/** What {@linkcode TrustSet} needs. */
export interface TrustSetOptions {
  readonly files: System["files"];
  /** Where learnt CAs are kept. */
  readonly learntPath: string;
  /** CAs that may be learnt. @default {LISTED_CAS} */
  readonly listed?: readonly ListedCa[] | undefined;
}

/** The CAs that are trusted beside the built-in roots: those of files, as they were when last read, and those that were learnt. */
export class TrustSet {
  readonly listed: readonly ListedCa[];
  readonly learnt: LearntCas;
  readonly #files: System["files"];
  #given: readonly TrustedCa[] = [];
  #sources: readonly string[] = [];
  #problems: readonly string[] = [];
  /** The last answer of `pems`, which is the very same array as long as it says the same. */
  #pems: readonly string[] = [];

  constructor({ files, learntPath, listed = LISTED_CAS }: TrustSetOptions) {
    this.#files = files;
    this.listed = listed;
    this.learnt = new LearntCas({ path: learntPath, listed, files });
  }

  /** Those that count now. */
  get cas(): readonly TrustedCa[] {
    return splitUsable(this.#all, Date.now()).usable;
  }

  /** Those that do not count now. */
  get unusable(): readonly UnusableCa[] {
    return splitUsable(this.#all, Date.now()).unusable;
  }

  get #all(): readonly TrustedCa[] {
    return [...this.#given, ...this.learnt.cas];
  }

  /** One certificate each. */
  get pems(): readonly string[] {
    const now = [...new Set(this.cas.map(({ certificate }) => certificate.pem))];
    if (now.length !== this.#pems.length || now.some((pem, index) => pem !== this.#pems[index])) {
      this.#pems = now;
    }
    return this.#pems;
  }

  get report(): { sources: string[]; problems: string[] } {
    const { problem, path } = this.learnt;
    const isLearnt = this.cas.some(({ source }) => source === "learnt");
    return {
      sources: [...this.#sources, ...(isLearnt ? [path] : [])],
      problems: [
        ...this.#problems,
        ...(problem === undefined ? [] : [withHint(problem)]),
        ...this.unusable.map(unusableText),
      ],
    };
  }

  /** Reads the files again. One that cannot be used is said; the others count. */
  async load(ingressCa: string): Promise<void> {
    const known = new Set(this.report.problems);
    const { cas, sources, problems } = await loadTrust({
      ingressCa: ingressCa || undefined,
      directory: CA_DIRECTORY,
      files: this.#files,
    });
    this.#given = cas;
    this.#sources = sources;
    this.#problems = problems.map(withHint);
    await this.learnt.load();
    for (const problem of this.report.problems) {
      if (!known.has(problem)) log.error("Cannot use a CA: {problem}", { problem });
    }
  }

  /** Trusts a listed CA from now on, and keeps it. */
  async learn(certificate: ParsedCertificate): Promise<void> {
    await this.learnt.learn(certificate);
    const { subject, sha256 } = certificate;
    log.info("Learnt the CA of the ingress: {subject}", { subject, sha256, file: this.learnt.path });
    const { problem } = this.learnt;
    if (problem !== undefined) log.error("Cannot keep a CA: {problem}", { problem: withHint(problem) });
  }
}

/** One sentence of both. */
export function withHint({ message, hint }: { message: string; hint?: string | undefined }): string {
  return `${message}${hint === undefined ? "" : ` (${hint})`}`;
}
