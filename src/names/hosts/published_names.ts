import { getLogger } from "@logtape/logtape";
import { OnChange } from "../../lib/on_change.ts";
import { withHint } from "../../model/errors.ts";
import type { StatusReport } from "../../model/report.ts";
import type { OwnLines } from "./own_lines.ts";
import type { NamePublisher } from "./publisher.ts";

const log = getLogger(["ngrokd", "names"]);

/** The names that the control path wants on this machine, with their state for `status`. */
export class PublishedNames {
  readonly #publisher: NamePublisher;
  readonly #onProblem = new OnChange();
  #problem: string | undefined;
  #withdrawn = false;

  constructor(publisher: NamePublisher) {
    this.#publisher = publisher;
    const reason = publisher.disabledReason;
    if (reason !== undefined) log.warn("Not publishing names: {error}", { error: reason });
  }

  /** Publishes exactly these names; returns what is wrong or unusual about single ones. */
  async publish(
    names: ReadonlyMap<string, string>,
    revision?: number,
  ): Promise<ReadonlyMap<string, string>> {
    // After a second signal a running round may still publish.
    if (this.#withdrawn) return new Map();
    const { file } = this.#publisher;
    const outcome = await this.#publisher.publish(names, revision);
    const { changed, problem, hint, refused, notes } = outcome;
    this.#onProblem.report(
      problem,
      () => log.error("Problem with the names: {error}", { error: problem, hint }),
    );
    // The words of the Go daemon, for which people search.
    if (changed) log.info("{file} updated successfully", { file, count: names.size - refused.size });
    this.#problem = problem === undefined ? undefined : withHint({ message: problem, hint });
    return new Map([...notes, ...refused]);
  }

  /** Removes all names at the end; nothing is published after that. */
  async withdraw(): Promise<void> {
    this.#withdrawn = true;
    const { problem, hint } = await this.#publisher.withdraw();
    if (problem !== undefined) {
      log.error("Problem with the removal of the names: {error}", { error: problem, hint });
    }
  }

  /** The problem of the last publication, with its hint; undefined if there is none. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The record of the lines in the hosts file. */
  get own(): OwnLines {
    return this.#publisher.own;
  }

  get report(): StatusReport["names"] {
    const { kind, disabledReason } = this.#publisher;
    if (disabledReason !== undefined) return { driver: kind, state: "off", reason: disabledReason };
    if (this.#problem === undefined) return { driver: kind, state: "ok", reason: null };
    return { driver: kind, state: "failing", reason: this.#problem };
  }
}
