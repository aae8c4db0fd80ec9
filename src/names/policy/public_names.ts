import { getLogger } from "@logtape/logtape";
import { messageOf } from "../../model/errors.ts";
import type { PublicState } from "./name_policy.ts";

const log = getLogger(["ngrokd", "names"]);

/** The look-ups that run at once. */
const AT_ONCE = 16;
/** The most names that are logged one by one. */
const MAX_LOGGED = 10;
/** The pause after look-ups that no server has answered. */
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
  #running: Promise<void> | undefined;
  #reporting: Promise<void> | undefined;
  #nextTry = 0;
  /** The names found so far that exist. */
  #shadows = 0;
  #closed = false;

  constructor(options: PublicNamesOptions) {
    this.#options = options;
  }

  state(name: string): PublicState {
    return this.#states.get(name) ?? "unknown";
  }

  /** Sets the names to know about; looks up those without an answer and forgets all others. */
  want(names: readonly string[]): void {
    this.#states = new Map(names.map((name) => [name, this.state(name)]));
    this.retry();
  }

  /** Looks up the names without an answer, unless servers were silent a moment ago. */
  retry(): void {
    const { now = () => performance.now() } = this.#options;
    if (this.#closed || this.#running !== undefined || now() < this.#nextTry) return;
    if (![...this.#states.values()].includes("unknown")) return;
    this.#running = this.#run().finally(() => this.#running = undefined);
  }

  /** Ends the look-ups; the caller has made those that run end. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#reporting;
  }

  async #run(): Promise<void> {
    const { now = () => performance.now() } = this.#options;
    const queue = [...this.#states].filter(([, state]) => state === "unknown").map(([name]) => name).values();
    // Without an answer to so many look-ups in a row, no server answers at all.
    let silent = 0;
    let missed = false;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (const name of queue) {
        const state = await this.#lookUp(name);
        missed ||= state === "unknown";
        silent = state === "unknown" ? silent + 1 : 0;
        if (this.#closed || silent >= AT_ONCE) return;
      }
    }));
    if (missed) this.#nextTry = now() + RETRY_MS;
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

  /** Reports changes one after the other; those that come meanwhile are one. */
  #changed(): void {
    this.revision++;
    this.#reporting ??= this.#report().finally(() => this.#reporting = undefined);
  }

  async #report(): Promise<void> {
    let reported: number;
    do {
      reported = this.revision;
      await this.#options.onChange();
    } while (reported !== this.revision && !this.#closed);
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
