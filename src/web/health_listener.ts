import { getLogger } from "@logtape/logtape";
import { backoffDelay } from "../lib/backoff.ts";
import { OnChange } from "../lib/on_change.ts";
import { BindError, messageOf, withHint } from "../model/errors.ts";
import type { HealthReport, StatusReport } from "../model/report.ts";
import { listenerKey } from "../model/route_table.ts";
import { sleep } from "../system/clock.ts";
import { isOutOfResources } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { HealthAnswers } from "./health_answers.ts";
import { serveHealth } from "./server.ts";

const log = getLogger(["ngrokd", "web"]);

/**
 * The health server. It moves when its address changes. The daemon runs without it while it cannot
 * be bound, and binds it as soon as it can.
 */
export class Health {
  readonly #options: HealthOptions;
  readonly #answers: HealthAnswers;
  readonly #onError = new OnChange();
  #where: Where = { address: "", port: 0 };
  #serving: Serving | undefined;
  #error: string | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#answers = new HealthAnswers(options.report);
  }

  /**
   * Serves at this address, unless it does so already. Never rejects: a failure is logged and in
   * the report.
   */
  async listen(where: Where): Promise<void> {
    const isSame = where.address === this.#where.address && where.port === this.#where.port;
    if (isSame && this.#serving !== undefined && this.#error === undefined) return;
    await this.close();
    this.#where = where;
    const stop = new AbortController();
    const first = Promise.withResolvers<void>();
    const ended = this.#run(stop.signal, first.resolve);
    this.#serving = { stop, ended };
    await first.promise;
  }

  async close(): Promise<void> {
    const serving = this.#serving;
    this.#serving = undefined;
    serving?.stop.abort();
    await serving?.ended;
  }

  get report(): StatusReport["health"] {
    return { address: listenerKey(this.#where.address, this.#where.port), error: this.#error ?? null };
  }

  /** Serves until the signal aborts, and binds again after a failure. */
  async #run(signal: AbortSignal, onFirst: () => void): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#serve(signal, () => {
          if (failures > 0) log.info("Serving health on {address}", { address: this.report.address });
          failures = 0;
          onFirst();
        });
      } catch (error) {
        this.#fail(error);
        onFirst();
        await sleep(backoffDelay(++failures, { baseMs: 1000, maxMs: 30_000 }), { signal }).catch(() => {});
      }
    }
  }

  /** Serves until the signal aborts. @throws If the listener cannot be bound, or fails. */
  async #serve(signal: AbortSignal, onBound: () => void): Promise<void> {
    const { listen, admit, hostNames } = this.#options;
    const listener = listen(this.#where);
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    await using _server = serveHealth(listener, {
      address: this.#where.address,
      answers: this.#answers,
      hostNames,
      admit: (peer) => admit(peer, listener.key),
      // A lack of descriptors must not hide a failure of the listener that follows it.
      onEachFailure(error) {
        if (!isOutOfResources(error)) failed.reject(error);
      },
      onFailure(error) {
        if (!isOutOfResources(error)) return;
        log.warn("Cannot accept health requests: {error}", { error: messageOf(error) });
      },
    });
    this.#error = undefined;
    this.#onError.report(undefined, () => {});
    onBound();
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => aborted.resolve(), { once: true });
    if (!signal.aborted) await Promise.race([failed.promise, aborted.promise]);
  }

  #fail(error: unknown): void {
    this.#error = withHint({ message: messageOf(error), hint: nextStep(error) });
    this.#onError.report(
      this.#error,
      (error) => log.error("Cannot start the health server: {error}", { error }),
    );
  }
}

/** Options of {@linkcode Health}. */
export interface HealthOptions {
  readonly listen: System["listenTcp"];
  readonly report: () => HealthReport;
  /** Returns true if a peer may connect to a listener (`address:port`). */
  readonly admit: (peer: string, listener: string) => boolean;
  /** The names that a Host header may have, besides addresses and localhost. */
  readonly hostNames: () => readonly string[];
}

interface Where {
  readonly address: string;
  readonly port: number;
}

interface Serving {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** A listener that fails after it was bound is bound again. */
function nextStep(error: unknown): string {
  if (!(error instanceof BindError)) return "ngrokd retries automatically";
  const isInUse = error.reason === "in_use";
  return `${isInUse ? "Stop the program that listens there, or give" : "Give"} another server.health_port`;
}
