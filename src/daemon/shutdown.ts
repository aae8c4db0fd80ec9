import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { sleep } from "../system/clock.ts";
import type { SignalName } from "../system/signals.ts";

const log = getLogger(["ngrokd", "daemon"]);

/** Milliseconds that a step may still take after a second signal. */
const FORCED_MS = 1000;

/**
 * The end of a daemon: one stack of steps, which run in the reverse order in which they were added.
 * It is disposed after a signal and after a failure, also one in the middle of a start. A step that
 * fails does not keep the others from running.
 */
export class Shutdown implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #forced = new AbortController();
  readonly #steps: ShutdownStep[] = [];
  readonly #unfinished: string[] = [];
  #isOrderly = false;

  /** Aborts when the daemon must end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Aborts at a second signal: neither connections nor programs that hang may delay the end then.
   */
  get forced(): AbortSignal {
    return this.#forced.signal;
  }

  /** True if a signal asked for the end, so that connections may drain; false after a failure. */
  get isOrderly(): boolean {
    return this.#isOrderly;
  }

  /** The actions of the steps that failed, cut a connection or left a change on this machine. */
  get unfinished(): readonly string[] {
    return this.#unfinished;
  }

  /**
   * Handles a signal that asks for the end. The first one stops the daemon; a second one, or one
   * after a failure, forces the end.
   */
  request(name: SignalName): void {
    log.info("Received {signal}, shutting down", { signal: name });
    if (this.signal.aborted) this.#forced.abort();
    else this.#isOrderly = true;
    this.#abort();
  }

  /**
   * Adds a step. The log names `action`; false as the result means that something is
   * cut or left. `late` aborts one second after a second signal.
   */
  add(action: string, run: ShutdownStep["run"]): void {
    this.#steps.push({ action, run });
  }

  /**
   * Adds a step that only waits for running work, and so gets one second after a second signal or a
   * failure.
   */
  addWait(action: string, run: () => PromiseLike<unknown>): void {
    this.add(action, async (late) => {
      const end = new AbortController();
      const isLate = this.isOrderly ? whenAborted(late) : sleep(FORCED_MS, { signal: end.signal });
      const cut = isLate.then(() => log.warn("Cannot {action}: it takes too long", { action }));
      await Promise.race([run(), cut]).finally(() => end.abort());
    });
  }

  /** Aborts everything that runs, then runs the steps. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort();
    for (const { action, run } of this.#steps.splice(0).reverse()) {
      const end = new AbortController();
      try {
        if (await run(this.#late(end.signal)) === false) this.#unfinished.push(action);
      } catch (error) {
        this.#unfinished.push(action);
        log.error("Problem while trying to {action}: {error}", { action, error: messageOf(error) });
      } finally {
        end.abort();
      }
    }
  }

  /** Returns a signal that aborts one second after a second signal, unless the step has ended. */
  #late(end: AbortSignal): AbortSignal {
    const late = new AbortController();
    whenAborted(this.forced).then(() => sleep(FORCED_MS, { signal: end }))
      .then(() => late.abort(), () => {});
    return late.signal;
  }

  #abort(): void {
    this.#stop.abort(new DOMException("ngrokd is shutting down", "AbortError"));
  }
}

interface ShutdownStep {
  readonly action: string;
  readonly run: (late: AbortSignal) => PromiseLike<boolean | void>;
}

/** Fulfils when the signal aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
