import { getLogger } from "@logtape/logtape";
import { messageOf } from "../../model/errors.ts";
import { sleep } from "../../system/clock.ts";
import type { PublicState } from "./name_policy.ts";

const log = getLogger(["ngrokd", "names"]);

/** The look-ups that run at once. */
const AT_ONCE = 16;
/** The most names that are logged one by one. */
const MAX_LOGGED = 10;
/** The pause between two reports: each leads to a round, and thousands of names may change. */
const REPORT_MS = 1000;
/** The pause before names without an answer are looked up again. */
const RETRY_MS = 20_000;

/**
 * Finds out which names exist in the public DNS: once for each name, in the background, a few at a
 * time. No round waits for an answer.
 */
export class PublicNames {
  /** Grows when an answer may change a decision. */
  revision = 0;
  readonly #options: PublicNamesOptions;
  /** The answers, for the wanted names only. */
  #states = new Map<string, PublicState>();
  /** The number of look-ups of each name. */
  readonly #attempts = new Map<string, number>();
  #running: Promise<void> | undefined;
  #reporting: Promise<void> | undefined;
  #nextTry = 0;
  /** The names found so far that exist. */
  #shadows = 0;
  readonly #closing = new AbortController();

  constructor(options: PublicNamesOptions) {
    this.#options = options;
  }

  state(name: string): PublicState {
    return this.#states.get(name) ?? "unknown";
  }

  /** Sets the names to know about; looks up those without an answer and forgets all others. */
  want(names: readonly string[]): void {
    this.#states = new Map(names.map((name) => [name, this.state(name)]));
    for (const name of this.#attempts.keys()) if (!this.#states.has(name)) this.#attempts.delete(name);
    this.retry();
  }

  /** Looks up the names without an answer, those that had a look-up only after a pause. */
  retry(): void {
    if (this.#running !== undefined || this.#next(new Set()) === undefined) return;
    this.#running = this.#run().finally(() => this.#running = undefined);
  }

  /** Ends the look-ups; the caller has made those that run end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await this.#reporting;
  }

  async #run(): Promise<void> {
    const { now = () => performance.now() } = this.#options;
    const tried = new Set<string>();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let name = this.#next(tried); name !== undefined; name = this.#next(tried)) {
        tried.add(name);
        this.#attempts.set(name, (this.#attempts.get(name) ?? 0) + 1);
        await this.#lookUp(name);
      }
    }));
    if ([...tried].some((name) => this.#states.get(name) === "unknown")) this.#nextTry = now() + RETRY_MS;
  }

  /**
   * Returns the name to look up next. Names that nobody has looked up come first: an account with
   * many names that no server answers for must not keep the others from being checked.
   */
  #next(tried: ReadonlySet<string>): string | undefined {
    const { now = () => performance.now() } = this.#options;
    if (this.#closing.signal.aborted) return undefined;
    let best: string | undefined;
    let fewest = now() < this.#nextTry ? 1 : Infinity;
    for (const [name, state] of this.#states) {
      const attempts = this.#attempts.get(name) ?? 0;
      if (state !== "unknown" || attempts >= fewest || tried.has(name)) continue;
      [best, fewest] = [name, attempts];
      if (attempts === 0) break;
    }
    return best;
  }

  async #lookUp(name: string): Promise<PublicState> {
    let state: PublicState = "unknown";
    try {
      state = await this.#options.lookUp(name) ?? "unknown";
    } catch (error) {
      log.debug("Cannot look up a public name: {error}", { name, error: messageOf(error) });
    }
    if (state === "unknown" || !this.#states.has(name)) return state;
    this.#states.set(name, state);
    // A name that is not public was allowed before; a wildcard was not.
    if (state === "exists" || name.startsWith("*.")) this.#changed();
    if (state === "exists") this.#logShadow(name);
    return state;
  }

  #logShadow(name: string): void {
    const count = ++this.#shadows;
    if (count <= MAX_LOGGED) log.warn("An endpoint shadows a public name", { name });
    else if (count === MAX_LOGGED + 1) {
      log.warn("More endpoints shadow public names", { hint: "See: ngrokctl list" });
    }
  }

  /** Reports a change at once, and those of the following second together. */
  #changed(): void {
    this.revision++;
    this.#reporting ??= this.#report().finally(() => this.#reporting = undefined);
  }

  async #report(): Promise<void> {
    const { signal } = this.#closing;
    let reported: number;
    do {
      reported = this.revision;
      await this.#options.onChange();
      await sleep(REPORT_MS, { signal }).catch(() => {});
    } while (reported !== this.revision && !signal.aborted);
  }
}

/** Options of {@linkcode PublicNames}. */
export interface PublicNamesOptions {
  /** Asks the upstream DNS servers about a name or wildcard; undefined without an answer. */
  readonly lookUp: (name: string) => Promise<"exists" | "missing" | undefined>;
  /** Called after look-ups that may change decisions; never rejects. */
  readonly onChange: () => Promise<void>;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
}
