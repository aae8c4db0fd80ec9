import { getLogger } from "@logtape/logtape";
import type { ApiClient } from "../cloud/client.ts";
import { findOperators } from "../cloud/list_operators.ts";
import { deleteOperator } from "../cloud/operator.ts";
import type { RegistrationMark } from "./registration_mark.ts";
import { messageOf } from "../model/errors.ts";

const log = getLogger(["ngrokd", "sync"]);

/** A registration that was given up can be on its way for so long: a client of ours waits 15 s, a gateway a minute. */
const LATE_MS = 120_000;

/** What {@linkcode RegistrationEnd} needs. */
export interface RegistrationEndOptions {
  readonly client: ApiClient;
  readonly mark: Pick<RegistrationMark, "end"> | undefined;
}

/** What is done about the mark of a registration after its end (docs/decisions/0015). */
export class RegistrationEnd {
  readonly #options: RegistrationEndOptions;
  /** The mark of a registration that was cut off, and when it is looked for once more; by the clock that stands still in sleep. */
  #late: { readonly mark: string; readonly at: number } | undefined;

  constructor(options: RegistrationEndOptions) {
    this.#options = options;
  }

  /**
   * A registration has ended. If another one with this mark was cut off before, its request may still arrive: the mark stays until that
   * has been looked for.
   */
  async note(cutOff: string | undefined): Promise<void> {
    if (cutOff === undefined) await this.#dropMark();
    else this.#late = { mark: cutOff, at: performance.now() + LATE_MS };
  }

  /**
   * Removes the operators that a registration has made which was given up before it arrived. What fails is told and tried again later.
   *
   * @throws The signal's reason, if it aborts.
   */
  async removeLate(ownId: string, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const late = this.#late;
    if (late === undefined || performance.now() < late.at) return;
    try {
      for (const id of await findOperators(client, late.mark, { signal })) {
        if (id === ownId) continue;
        await deleteOperator(client, id, { signal });
        log.warn("Removed the operator of a registration that arrived late", { operator_id: id });
      }
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn("Cannot look for the operators of an interrupted registration: {error}", {
        error: messageOf(error),
      });
      this.#late = { mark: late.mark, at: performance.now() + LATE_MS };
      return;
    }
    this.#late = undefined;
    await this.#dropMark();
  }

  async #dropMark(): Promise<void> {
    try {
      await this.#options.mark?.end();
    } catch (error) {
      // It costs the next registration a look at the account's operators.
      log.warn("Cannot remove the mark of a finished registration: {error}", { error: messageOf(error) });
    }
  }
}
