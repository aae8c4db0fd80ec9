import { getLogger } from "@logtape/logtape";
import { FileError } from "../model/errors.ts";
import { sleep } from "./clock.ts";

const log = getLogger(["ngrokd", "config"]);

/** How often a file is looked at again because it changed meanwhile. */
const MAX_SETTLING = 4;

/** What is looked at to see a change. */
export interface WatchedStat {
  readonly inode: number;
  readonly mtimeMs: number;
  readonly size: number;
}

/** How a file is watched. */
export interface WatchOptions {
  /** Follows symlinks; undefined if nothing is there. */
  readonly stat: (path: string) => Promise<WatchedStat | undefined>;
  /** Called after each change, also when the file has gone. The next call waits for its end. */
  readonly onChange: () => void | Promise<void>;
  /** @default {2000} */
  readonly intervalMs?: number;
  /** How long the file must stay as it is before a change counts; one that never rests counts after four times that. @default {500} */
  readonly debounceMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A watch that goes on until its signal aborts or it is disposed; disposing waits for a pending `onChange`. */
export interface FileWatch extends AsyncDisposable {
  /**
   * Takes the file as it is now for known. After an own write call this, then read the file: a foreign change before this call is in
   * what is read, one after it is a change.
   */
  acknowledge(): Promise<void>;
}

/**
 * Watches one file by `stat` (DESIGN.md decision 9): writes, replacements by rename, swapped symlinks, disappearance and return. Returns
 * when it knows the file as it is; read the file after that and no change is lost.
 */
export async function watchFile(path: string, options: WatchOptions): Promise<FileWatch> {
  const { stat, onChange, intervalMs = 2000, debounceMs = 500 } = options;
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  let known = await look();

  async function look(): Promise<string> {
    try {
      const found = await stat(path);
      return found === undefined ? "absent" : `${found.inode} ${found.mtimeMs} ${found.size}`;
    } catch (error) {
      return error instanceof FileError ? error.reason : "unreadable";
    }
  }

  async function settle(): Promise<string> {
    let before = await look();
    for (let tries = 0; before !== known && tries < MAX_SETTLING; tries++) {
      await sleep(debounceMs, { signal });
      const now = await look();
      if (now === before) return now;
      before = now;
    }
    return before;
  }

  async function watch(): Promise<void> {
    while (!signal.aborted) {
      await sleep(intervalMs, { signal });
      const settled = await settle();
      if (settled === known || signal.aborted) continue;
      known = settled;
      try {
        await onChange();
      } catch (error) {
        log.error("Cannot take up the change of {path}: {error}", { path, error });
      }
    }
  }

  // Nothing but the signal ends it with an error.
  const ended = watch().catch(() => {});
  return {
    async acknowledge() {
      known = await look();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}
