import { sleep } from "../system/clock.ts";
import type { Daemon } from "./daemon.ts";

/** A poll can be minutes away, after failures or a Retry-After. */
const INTERVAL_MS = 10_000;

/**
 * Runs a round at fixed times while there are redirects, until the signal aborts. The round checks
 * them, and restores those that another program removed.
 */
export async function watchRedirects(
  { redirects, loop }: {
    readonly redirects: Daemon["redirects"];
    readonly loop: Pick<Daemon["loop"], "reconcile">;
  },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(INTERVAL_MS, { signal }).catch(() => {});
    if (!signal.aborted && redirects.observe().length > 0) await loop.reconcile();
  }
}
