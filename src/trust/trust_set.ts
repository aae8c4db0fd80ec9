import { getLogger } from "@logtape/logtape";
import { CA_DIRECTORY } from "../config/paths.ts";
import { withHint } from "../model/errors.ts";
import { nextRevision } from "../model/revision.ts";
import { messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import { LearntCas } from "./learnt_cas.ts";
import { LISTED_CAS, type ListedCa } from "./listed_cas.ts";
import { loadTrust, type TrustFiles } from "./load_trust.ts";
import { splitUsable, type TrustedCa, type UnusableCa, unusableText } from "./trusted_ca.ts";

const log = getLogger(["ngrokd", "trust"]);

/**
 * The CAs that are trusted in addition to the runtime's own: those of files, as they were at the
 * last load, and the learnt ones.
 */
export class TrustSet {
  readonly listed: readonly ListedCa[];
  readonly learnt: LearntCas;
  readonly #files: TrustFiles;
  #fromFiles: readonly TrustedCa[] = [];
  #sources: readonly string[] = [];
  #problems: readonly string[] = [];
  #last = { pems: "", revision: 0 };

  constructor({ files, learntPath, listed = LISTED_CAS }: TrustSetOptions) {
    this.#files = { listDirectory: files.listDirectory, readText: (path) => files.readGuarded(path) };
    this.listed = listed;
    this.learnt = new LearntCas({
      path: learntPath,
      listed,
      files: { ...files, readText: (path) => files.readOwn(path) },
    });
  }

  /** The CAs that can be used now. */
  get cas(): readonly TrustedCa[] {
    return this.#split().usable;
  }

  /** The CAs that cannot be used now. */
  get unusable(): readonly UnusableCa[] {
    return this.#split().unusable;
  }

  /** The usable CAs, each as one PEM. */
  get pems(): readonly string[] {
    return [...new Set(this.cas.map(({ certificate }) => certificate.pem))];
  }

  /** The revision of the usable CAs; loading, learning or the time may change it. */
  get revision(): number {
    const now = this.pems.join("\n");
    if (now !== this.#last.pems) this.#last = { pems: now, revision: nextRevision() };
    return this.#last.revision;
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

  /** Reads the files again and logs those that cannot be used. */
  async load(ingressCa: string): Promise<void> {
    const known = new Set(this.report.problems);
    const { cas, sources, problems } = await loadTrust({
      ingressCa: ingressCa || undefined,
      directory: CA_DIRECTORY,
      last: this.#fromFiles,
      files: this.#files,
    });
    this.#fromFiles = cas;
    this.#sources = sources;
    this.#problems = problems.map(withHint);
    await this.learnt.load();
    for (const problem of this.report.problems) {
      if (!known.has(problem)) log.error("Problem with the trusted CAs: {error}", { error: problem });
    }
  }

  /** Trusts a listed CA from now on, and saves it. */
  async learn(certificate: ParsedCertificate): Promise<void> {
    await this.learnt.learn(certificate);
    const { subject, sha256 } = certificate;
    log.info("Learnt the CA of the ingress: {subject}", { subject, sha256, file: this.learnt.path });
    const { problem } = this.learnt;
    if (problem === undefined) return;
    log.error("Cannot save the learnt CA", { error: messageOf(problem.cause), hint: problem.hint });
  }

  #split(): ReturnType<typeof splitUsable> {
    return splitUsable([...this.#fromFiles, ...this.learnt.cas], Date.now());
  }
}

/** Options of {@linkcode TrustSet}. */
export interface TrustSetOptions {
  readonly files: System["files"];
  /** The file of the learnt CAs. */
  readonly learntPath: string;
  /** The CAs that may be learnt. @default {LISTED_CAS} */
  readonly listed?: readonly ListedCa[] | undefined;
}
