import { getLogger } from "@logtape/logtape";
import { sleep } from "../system/clock.ts";

const log = getLogger(["ngrokd", "forward"]);

const INTERVAL_MS = 30_000;
/** All listeners are probed once in so many intervals, which is 10 minutes. */
const INTERVALS = 20;
/** A probe of 10,000 listeners in one go would take seconds of processor time. */
const MIN_AT_ONCE = 16;
const MAX_AT_ONCE = 500;
const CONCURRENCY = 16;

/**
 * Connects to ngrokd's own listeners, some in each interval, and remembers those that do not accept
 * the connection: their clients wait in the kernel's queue while everything else looks well.
 */
export class ListenerProbe {
  readonly #options: ListenerProbeOptions;
  readonly #failing = new Set<string>();
  #next = 0;

  constructor(options: ListenerProbeOptions) {
    this.#options = options;
  }

  /** One sentence for each listener that does not accept connections. */
  get problems(): string[] {
    return [...this.#failing].map((key) => `The listener on ${key} does not accept connections`);
  }

  /** Probes until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(INTERVAL_MS, { signal }).catch(() => {});
      await this.probe(signal);
    }
  }

  /** Probes the listeners that failed before, and some others. */
  async probe(signal: AbortSignal): Promise<void> {
    const keys = this.#options.observe();
    const open = new Set(keys);
    for (const key of this.#failing) if (!open.has(key)) this.#failing.delete(key);
    const queue = new Set([...[...this.#failing].slice(0, MAX_AT_ONCE), ...this.#some(keys)]).values();
    const worker = async () => {
      for (const key of queue) {
        if (signal.aborted) return;
        this.#record(key, await this.#options.accepts(key));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  #some(keys: readonly string[]): string[] {
    const wanted = Math.min(MAX_AT_ONCE, Math.max(MIN_AT_ONCE, Math.ceil(keys.length / INTERVALS)));
    const count = Math.min(wanted, keys.length);
    const some = Array.from({ length: count }, (_, index) => keys[(this.#next + index) % keys.length]!);
    this.#next = (this.#next + count) % Math.max(1, keys.length);
    return some;
  }

  #record(key: string, accepts: boolean): void {
    // It may have been closed meanwhile.
    if (accepts || !this.#options.observe().includes(key)) {
      if (this.#failing.delete(key)) {
        log.info("Listener on {address} accepts connections again", { address: key });
      }
    } else if (!this.#failing.has(key)) {
      this.#failing.add(key);
      log.error("Listener on {address} does not accept connections", {
        address: key,
        hint:
          "See the number of connections: ngrokctl list --json; more descriptors: LimitNOFILE= of the unit",
      });
    }
  }
}

/** Options of {@linkcode ListenerProbe}. */
export interface ListenerProbeOptions {
  /** Reads the keys of the open listeners. */
  readonly observe: () => readonly string[];
  /** Returns true if the listener with this key accepts a connection. Never rejects. */
  readonly accepts: (key: string) => Promise<boolean>;
}
