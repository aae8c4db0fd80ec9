import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { sleep } from "../system/clock.ts";
import type { Daemon } from "./daemon.ts";

const log = getLogger(["ngrokd", "identity"]);

/** How soon after the start the first look is: the first poll may have to register. */
const FIRST_LOOK_MS = 10_000;

/** Looks at the certificate after the start and every `server.cert_refresh_interval`, and renews it when it is due. */
export async function renewLoop(daemon: Daemon, signal: AbortSignal): Promise<void> {
  for (let delay = FIRST_LOOK_MS;; delay = daemon.live.current.server.certRefreshIntervalMs) {
    try {
      await sleep(delay, { signal });
    } catch {
      return;
    }
    if (daemon.account.certificate === undefined || daemon.account.operatorId === undefined) continue;
    try {
      await daemon.account.renew({ force: false, signal });
    } catch (error) {
      if (!signal.aborted) log.error("Cannot renew the certificate: {error}", { error: messageOf(error) });
    }
  }
}
