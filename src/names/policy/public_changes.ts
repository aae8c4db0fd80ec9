import { getLogger } from "@logtape/logtape";
import { sleep } from "../../system/clock.ts";

const log = getLogger(["ngrokd", "names"]);

/** The most names in one log event. */
const MAX_LOGGED = 10;
/** The pause between two reports: each leads to a round, and thousands of names may change. */
const REPORT_MS = 1000;

/** Reports answers that may change decisions: one at once, and then all of a second together. */
export class PublicChanges {
  /** Grows with each answer. */
  revision = 0;
  readonly #options: PublicChangesOptions;
  #reporting: Promise<void> | undefined;
  /** The public names since the last report. */
  #shadowed: string[] = [];

  constructor(options: PublicChangesOptions) {
    this.#options = options;
  }

  /** Takes in that a name or wildcard has an answer. */
  add(name: string, options: { readonly exists: boolean }): void {
    this.revision++;
    if (options.exists) this.#shadowed.push(name);
    this.#reporting ??= this.#report().finally(() => this.#reporting = undefined);
  }

  /** Waits for the report that runs. */
  async close(): Promise<void> {
    await this.#reporting;
  }

  async #report(): Promise<void> {
    const { signal, onChange } = this.#options;
    let reported: number;
    do {
      reported = this.revision;
      this.#log();
      await onChange();
      await sleep(REPORT_MS, { signal }).catch(() => {});
    } while (reported !== this.revision && !signal.aborted);
  }

  #log(): void {
    const found = this.#shadowed;
    if (found.length === 0) return;
    this.#shadowed = [];
    const names = found.slice(0, MAX_LOGGED).join(" ");
    const hint = "See: ngrokctl list";
    log.warn("The public DNS has names of endpoints: {names}", { names, count: found.length, hint });
  }
}

/** Options of {@linkcode PublicChanges}. */
export interface PublicChangesOptions {
  /** Called after answers that may change decisions; never rejects. */
  readonly onChange: () => Promise<void>;
  /** Aborts at the end: nothing more is reported. */
  readonly signal: AbortSignal;
}
