import { sleep } from "../../../src/system/clock.ts";

const INTERVAL_MS = 10;

/** Watches a hosts file from outside, by its inode, size and time every 10 ms. */
export class HostsWatch implements AsyncDisposable {
  readonly #path: string;
  readonly #running: Promise<void>;
  #writes = 0;
  #last: string | undefined;
  /**
   * The last check; each waits for the one before, so that an older stamp cannot follow a newer.
   */
  #check = Promise.resolve();
  #isStopped = false;

  constructor(path: string) {
    this.#path = path;
    this.#running = this.#run();
  }

  /** Checks the file now, and returns the number of its changes. */
  async writes(): Promise<number> {
    await this.#checkNow();
    return this.#writes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#checkNow();
      await sleep(INTERVAL_MS);
    }
  }

  #checkNow(): Promise<void> {
    return this.#check = this.#check.then(async () => {
      const now = await stampOf(this.#path);
      if (this.#last !== undefined && now !== this.#last) this.#writes++;
      this.#last = now;
    });
  }
}

/** The inode, size and time of a file; `""` if it does not exist. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtime } = await Deno.stat(path);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
