import type { Account } from "../../src/account/account.ts";
import { Renewals, type RenewalsOptions } from "../../src/account/renewals.ts";

/** Saves nothing. */
export const NO_MEMORY: RenewalsOptions["memory"] = {
  renewedAt: () => undefined,
  record: () => Promise.resolve(),
};

const realSetTimeout = setTimeout;

/** Counts renewals over real sockets: faked time must not go on before they are answered. */
export class PendingRequests {
  #count = 0;

  /** The renewals of an account, each of which counts while it runs. */
  renewals(account: Account, options: Omit<RenewalsOptions, "account" | "memory">): Renewals {
    return new Renewals({
      ...options,
      memory: NO_MEMORY,
      account: {
        get certificate() {
          return account.certificate;
        },
        get operatorId() {
          return account.operatorId;
        },
        renew: (wanted) => {
          this.#count++;
          return account.renew(wanted).finally(() => this.#count--);
        },
      },
    });
  }

  /** Waits until none is pending. */
  async answered(): Promise<void> {
    do {
      for (let tick = 0; tick < 30; tick++) await Promise.resolve();
      if (this.#count > 0) await new Promise((resolve) => realSetTimeout(resolve, 0));
    } while (this.#count > 0);
  }
}
