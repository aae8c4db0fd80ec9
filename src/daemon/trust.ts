import { getLogger } from "@logtape/logtape";
import { loadTrust } from "../identity/trust.ts";
import type { StatusReport } from "../model/report.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "identity"]);

const CA_DIRECTORY = "/etc/ssl/certs/ngrok";

/** The CAs that are trusted beside the built-in roots, as they were when last read. */
export class TrustSet {
  readonly #files: System["files"];
  #pems: readonly string[] = [];
  #report: StatusReport["trust"] = { sources: [], problems: [] };

  constructor(files: System["files"]) {
    this.#files = files;
  }

  get pems(): readonly string[] {
    return this.#pems;
  }

  get report(): StatusReport["trust"] {
    return this.#report;
  }

  /** Reads the files again. One that cannot be used is said; the others count. */
  async load(ingressCa: string): Promise<void> {
    const { pems, sources, problems: failures } = await loadTrust({
      ingressCa: ingressCa || undefined,
      directory: CA_DIRECTORY,
      files: this.#files,
    });
    const problems = failures.map((failure) =>
      `${failure.message}${failure.hint === undefined ? "" : ` (${failure.hint})`}`
    );
    for (const problem of problems) {
      if (!this.#report.problems.includes(problem)) log.error("Cannot use a CA: {problem}", { problem });
    }
    this.#pems = pems;
    this.#report = { sources: [...sources], problems };
  }
}
