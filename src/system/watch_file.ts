import { getLogger } from "@logtape/logtape";
import { FileError } from "../model/errors.ts";
import { sleep } from "./clock.ts";

const log = getLogger(["ngrokd", "system"]);

/** The number of checks while a file keeps changing. */
const MAX_SETTLING = 4;

/**
 * Watches a file by `stat`: writes, replacement by rename, swapped symlinks, removal, return, owner
 * and mode.
 * `Deno.watchFs` misses some of them (docs/runtime.md Files and processes). Read the file after
 * this returns, and no change is lost.
 */
export async function watchFile(path: string, options: WatchOptions): Promise<FileWatch> {
  const { stat, onChange, intervalMs = 2000, debounceMs = 500 } = options;
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  let known = await readState();

  async function readState(): Promise<string> {
    try {
      const found = await stat(path);
      if (found === undefined) return "absent";
      const { inode, mtimeMs, ctimeMs = 0, size, mode = 0, uid = 0 } = found;
      return `${inode} ${mtimeMs} ${ctimeMs} ${size} ${mode} ${uid}`;
    } catch (error) {
      return error instanceof FileError ? error.reason : "unreadable";
    }
  }

  async function settle(): Promise<string> {
    let before = await readState();
    for (let attempts = 0; before !== known && attempts < MAX_SETTLING; attempts++) {
      await sleep(debounceMs, { signal });
      const now = await readState();
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
        log.error("Cannot apply the change of {path}: {error}", { path, error });
      }
    }
  }

  // Only an abort rejects.
  const ended = watch().catch(() => {});
  return {
    async acknowledge() {
      known = await readState();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

/** Options of {@linkcode watchFile}. */
export interface WatchOptions {
  /** Follows symlinks; returns undefined if the file does not exist. */
  readonly stat: (path: string) => Promise<WatchedStat | undefined>;
  /** Called after each change, also when the file was removed. Calls do not overlap. */
  readonly onChange: () => void | Promise<void>;
  /** @default {2000} */
  readonly intervalMs?: number;
  /**
   * The time without a further change before `onChange`; after four times that it is called anyway.
   *
   * @default {500}
   */
  readonly debounceMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The part of a `stat` that shows a change. */
export interface WatchedStat {
  readonly inode: number;
  readonly mtimeMs: number;
  /** A program that copies into the file can restore the modification time, but not this one. */
  readonly ctimeMs?: number;
  readonly size: number;
  /** A file that others can change is refused, so that its mode and owner count too. */
  readonly mode?: number;
  readonly uid?: number;
}

/**
 * A watch that ends with its signal or when it is disposed. Disposing waits for a running
 * `onChange`.
 */
export interface FileWatch extends AsyncDisposable {
  /**
   * Takes the present file as known. Call it after an own write and then read the file: a foreign
   * change before the call is in the text that you read, and a later one is reported.
   */
  acknowledge(): Promise<void>;
}
