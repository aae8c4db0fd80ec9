import { getLogger } from "@logtape/logtape";
import { OnChange } from "../../lib/on_change.ts";
import type { StatusReport } from "../../model/report.ts";
import type { NamePublisher } from "./publisher.ts";

const log = getLogger(["ngrokd", "names"]);

/** The names as the control path wants them, and how they stand for `status`. */
export class PublishedNames {
  readonly #publisher: NamePublisher;
  readonly #reported = new OnChange();
  #problem: string | undefined;
  #hint: string | undefined;
  #withdrawn = false;

  constructor(publisher: NamePublisher) {
    this.#publisher = publisher;
    if (publisher.off !== undefined) log.warn("{reason}", { reason: publisher.off });
  }

  /** Publishes exactly these; gives what is wrong or unusual about single names. */
  async publish(names: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
    // A second signal does not wait for the round that is under way.
    if (this.#withdrawn) return new Map();
    const { changed, problem, hint, refused, notes, warnings } = await this.#publisher.publish(names);
    for (const warning of warnings) log.warn("{warning}", { warning });
    this.#reported.report(problem, (problem) => log.error("{problem}", { problem, hint }));
    if (changed) {
      log.info("Names are published in {target}", {
        target: this.#publisher.target,
        count: names.size - refused.size,
      });
    }
    this.#problem = problem;
    this.#hint = hint;
    return new Map([...notes, ...refused]);
  }

  /** Takes all our names away, at the end: nothing is published after that. */
  async withdraw(): Promise<void> {
    this.#withdrawn = true;
    const { problem, hint } = await this.#publisher.withdraw();
    if (problem !== undefined) log.error("{problem}", { problem, hint });
  }

  get report(): StatusReport["names"] {
    const { kind, off } = this.#publisher;
    if (off !== undefined) return { driver: kind, state: "off", reason: off };
    if (this.#problem === undefined) return { driver: kind, state: "ok", reason: null };
    return {
      driver: kind,
      state: "failing",
      reason: this.#hint === undefined ? this.#problem : `${this.#problem} (${this.#hint})`,
    };
  }
}
