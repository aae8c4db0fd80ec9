import { UPLINK } from "../dns/choose_upstreams.ts";
import { RESOLV_CONF } from "../names/select.ts";
import type { System } from "../system/system.ts";
import { watchFile, type WatchOptions } from "../system/watch_file.ts";
import type { Daemon } from "./daemon.ts";
import { hostsPath } from "./paths.ts";

/** With the time that `watchFile()` waits for further changes, a change is noticed within 2 s. */
const INTERVAL_MS = 1000;

/**
 * Watches the files by which this machine resolves names, until it is disposed. What another
 * program removes is restored in seconds, not at the next poll, and a new DNS server is used at
 * once (docs/decisions/0019).
 */
export async function watchNameFiles(
  { loop, dns }: WatchedParts,
  { system, signal }: { readonly system: System; readonly signal: AbortSignal },
): Promise<AsyncDisposable> {
  const refresh = () => dns.refresh();
  const changes: readonly (readonly [path: string, onChange: WatchOptions["onChange"]])[] = [
    [hostsPath(system), () => loop.reconcile()],
    // Its search domains decide which names endpoints may have.
    [RESOLV_CONF, () => Promise.all([refresh(), loop.reconcile()]).then(() => {})],
    [UPLINK, refresh],
  ];
  const watches = new AsyncDisposableStack();
  const { statTarget: stat } = system.files;
  for (const [path, onChange] of changes) {
    watches.use(await watchFile(path, { stat, onChange, signal, intervalMs: INTERVAL_MS }));
  }
  return watches;
}

/** The parts that depend on the files. */
export interface WatchedParts {
  readonly loop: Pick<Daemon["loop"], "reconcile">;
  readonly dns: Pick<Daemon["dns"], "refresh">;
}
