import { getLogger } from "@logtape/logtape";
import { hintOf, messageOf } from "../model/errors.ts";
import type { Account } from "../sync/account.ts";
import { sleep } from "../system/clock.ts";

const log = getLogger(["ngrokd", "identity"]);

/** How soon after the start the first look is: the first poll may have to register. */
const FIRST_LOOK_MS = 10_000;
/** An interval that is made shorter counts within this time. */
const STEP_MS = 5_000;

/** What the loop looks at. */
export interface RenewLoopOptions {
  readonly account: Pick<Account, "certificate" | "operatorId" | "renew">;
  /** Read anew while it waits. */
  readonly intervalMs: () => number;
}

/** Looks at the certificate after the start and then at each interval, and renews it when it is due, until the signal aborts. */
export async function renewLoop(options: RenewLoopOptions, signal: AbortSignal): Promise<void> {
  const { account, intervalMs } = options;
  for (let waitMs = () => FIRST_LOOK_MS;; waitMs = intervalMs) {
    try {
      for (let waited = 0; waited < waitMs(); waited += STEP_MS) {
        await sleep(Math.min(STEP_MS, waitMs() - waited), { signal });
      }
    } catch {
      return;
    }
    if (account.certificate === undefined || account.operatorId === undefined) continue;
    try {
      await account.renew({ force: false, signal });
    } catch (error) {
      if (!signal.aborted) {
        log.error("Cannot renew the certificate: {error}", { error: messageOf(error), hint: hintOf(error) });
      }
    }
  }
}
