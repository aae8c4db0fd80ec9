import { setImmediate } from "node:timers";

/**
 * The longest time in milliseconds that work may hold the event loop before it takes another turn.
 */
export const TURN_MS = 1;

/**
 * The time after which turns that follow each other pause. If there is always a next turn, Deno
 * looks for new input only once in some 20 of them, so that each packet of others waits as long.
 */
const PAUSE_AFTER_MS = 4;

/**
 * Gives at most one turn of the event loop to work from clients, so that their bytes delay nothing
 * else by more than one piece of work. Sources take turns, however many connections one of them
 * has. Without it, connections whose next bytes are always there follow each other for seconds.
 */
export class Turns {
  /** The waiting work by source. The source whose turn is next comes first. */
  readonly #waiting = new Map<unknown, (() => void)[]>();
  #isTaken = false;
  /** The time by `performance.now()` when turns began to follow each other. */
  #busySince = 0;

  /** Waits for a turn; resolves at once if nothing has taken the present one. */
  take(source: unknown): Promise<void> {
    if (!this.#isTaken) {
      this.#isTaken = true;
      this.#busySince = performance.now();
      setImmediate(this.#next);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const queue = this.#waiting.get(source);
      if (queue === undefined) this.#waiting.set(source, [resolve]);
      else queue.push(resolve);
    });
  }

  readonly #next = (): void => {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#isTaken = false;
      return;
    }
    if (performance.now() - this.#busySince >= PAUSE_AFTER_MS) {
      setTimeout(() => {
        this.#busySince = performance.now();
        this.#next();
      }, 0);
      return;
    }
    const [source, queue] = first;
    const resolve = queue.shift()!;
    this.#waiting.delete(source);
    if (queue.length > 0) this.#waiting.set(source, queue);
    setImmediate(this.#next);
    resolve();
  };
}

/** Waits until the event loop has run everything that is ready. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
