import { Renewals, type RenewalsOptions } from "../../src/account/renewals.ts";
import { listOperatorIds } from "../../src/cloud/list_operators.ts";
import type { Account } from "../../src/account/account.ts";
import type { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { clientOf } from "./registered_account.ts";

const realSetTimeout = setTimeout;

/** Requests over real sockets while time is faked: before time goes on, whatever was asked of the cloud has been answered. */
export class Answered {
  #pending = 0;

  /** The renewals of an account, whose requests are waited for. */
  renewals(
    account: Account,
    options: Omit<RenewalsOptions, "account" | "listOperators"> & { cloud: SimulatedCloud },
  ): Renewals {
    const { cloud, ...rest } = options;
    const client = clientOf(cloud);
    return new Renewals({
      ...rest,
      account: {
        get certificate() {
          return account.certificate;
        },
        get operatorId() {
          return account.operatorId;
        },
        renew: (wanted) => this.#waitedFor(() => account.renew(wanted)),
      },
      listOperators: (signal) => this.#waitedFor(() => listOperatorIds(client, signal)),
    });
  }

  /** Until nothing is under way. */
  async all(): Promise<void> {
    do {
      for (let turn = 0; turn < 30; turn++) await Promise.resolve();
      if (this.#pending > 0) await new Promise((resolve) => realSetTimeout(resolve, 0));
    } while (this.#pending > 0);
  }

  async #waitedFor<T>(task: () => Promise<T>): Promise<T> {
    this.#pending++;
    try {
      return await task();
    } finally {
      this.#pending--;
    }
  }
}
