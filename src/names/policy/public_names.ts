import { getLogger } from "@logtape/logtape";
import { OnChange } from "../../lib/on_change.ts";
import { messageOf } from "../../model/errors.ts";
import { sleep } from "../../system/clock.ts";
import type { PublicAnswer, PublicState } from "./judge_public.ts";
import { Pace } from "./pace.ts";
import { PublicChanges } from "./public_changes.ts";
import { TurnQueue } from "./turn_queue.ts";

const log = getLogger(["ngrokd", "names"]);

/** The look-ups that run at once. */
const AT_ONCE = 16;
/** The look-ups that start in a second; each is one or two queries. */
const PER_SECOND = 50;
/** The pauses before a name without an answer is looked up again: doubled each time. */
const RETRY_MS = 20_000;
const MAX_RETRY_MS = 3_600_000;

/**
 * Finds out which names exist in the public DNS: once for each name, in the background, a few at a
 * time, and the domains in turn. No round waits for an answer.
 */
export class PublicNames {
  readonly #options: PublicNamesOptions;
  #wanted = new Map<string, WantedName>();
  readonly #queue = new TurnQueue();
  readonly #pace = new Pace({ atOnce: PER_SECOND, intervalMs: 1000 / PER_SECOND });
  readonly #running = new Set<Promise<void>>();
  readonly #changes: PublicChanges;
  readonly #onNoServer = new OnChange();
  readonly #closing = new AbortController();

  constructor(options: PublicNamesOptions) {
    this.#options = options;
    this.#changes = new PublicChanges({ onChange: options.onChange, signal: this.#closing.signal });
  }

  /** Grows when an answer may change a decision. */
  get revision(): number {
    return this.#changes.revision;
  }

  state(name: string): PublicState {
    return this.#wanted.get(name)?.state ?? "unknown";
  }

  /** Sets the names to know about; looks up those without an answer and forgets all others. */
  want(names: readonly string[]): void {
    const known = this.#wanted;
    this.#wanted = new Map(names.map((name) => [name, known.get(name) ?? this.#add(name)]));
    for (const [name, { domain }] of known) if (!this.#wanted.has(name)) this.#queue.delete(name, domain);
    this.retry();
  }

  /** Looks up the names without an answer, those that had a look-up only after a pause. */
  retry(): void {
    const now = performance.now();
    for (const [name, wanted] of this.#wanted) {
      if (wanted.retryMs > now) continue;
      wanted.retryMs = Infinity;
      this.#queue.add(name, { domain: wanted.domain, isFirst: false });
    }
    this.#start();
  }

  /** Ends the look-ups; the caller has made those that run end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
    await this.#changes.close();
  }

  #add(name: string): WantedName {
    const domain = this.#options.domainOf(name);
    this.#queue.add(name, { domain, isFirst: true });
    return { domain, state: "unknown", failures: 0, retryMs: Infinity };
  }

  /** Starts look-ups until enough of them run. */
  #start(): void {
    while (this.#running.size < AT_ONCE && !this.#closing.signal.aborted) {
      const name = this.#queue.take();
      if (name === undefined) return;
      const running = this.#lookUp(name, this.#wanted.get(name)!).finally(() => {
        this.#running.delete(running);
        this.#start();
      });
      this.#running.add(running);
    }
  }

  async #lookUp(name: string, wanted: WantedName): Promise<void> {
    const { signal } = this.#closing;
    const pauseMs = this.#pace.take();
    if (pauseMs > 0) await sleep(pauseMs, { signal }).catch(() => {});
    if (signal.aborted || this.#wanted.get(name) !== wanted) return;
    const state = await this.#ask(name);
    if (state === "unknown") {
      wanted.retryMs = performance.now() + Math.min(RETRY_MS * 2 ** wanted.failures++, MAX_RETRY_MS);
    } else if (state === "no server") wanted.retryMs = performance.now() + RETRY_MS;
    if (wanted.state === state || this.#wanted.get(name) !== wanted) return;
    wanted.state = state;
    const exists = state === "exists";
    if (exists || this.#options.isAwaited(name)) this.#changes.add(name, { exists });
  }

  async #ask(name: string): Promise<PublicState> {
    let state: PublicState = "unknown";
    try {
      state = await this.#options.lookUp(name) ?? "unknown";
    } catch (error) {
      log.debug("Cannot look up a public name: {error}", { name, error: messageOf(error) });
    }
    this.#onNoServer.report(state === "no server" ? state : undefined, () => {
      const hint = "Set dns.upstream, or list the names in net.allow_names";
      log.warn("Cannot look up public names: no DNS server is known", { hint });
    });
    return state;
  }
}

/** Options of {@linkcode PublicNames}. */
export interface PublicNamesOptions {
  /** Asks the upstream DNS servers about a name or wildcard; undefined without an answer. */
  readonly lookUp: (name: string) => Promise<PublicAnswer>;
  /** Returns the domain whose names share one turn. */
  readonly domainOf: (name: string) => string;
  /** Returns true if the name is refused until there is an answer. */
  readonly isAwaited: (name: string) => boolean;
  /** Called after look-ups that may change decisions; never rejects. */
  readonly onChange: () => Promise<void>;
}

/** A name to know about. */
interface WantedName {
  readonly domain: string;
  state: PublicState;
  /** The look-ups without an answer. */
  failures: number;
  /** The time of the next look-up; Infinity while it is in the queue, runs, or is not needed. */
  retryMs: number;
}
