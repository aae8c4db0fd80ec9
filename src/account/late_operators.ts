import { getLogger } from "@logtape/logtape";
import type { ApiClient } from "../cloud/client.ts";
import { findOperators } from "../cloud/list_operators.ts";
import { deleteOperator } from "../cloud/operator.ts";
import { messageOf } from "../model/errors.ts";
import type { RegistrationMarker } from "./registration_marker.ts";

const log = getLogger(["ngrokd", "account"]);

/**
 * An interrupted request can take effect up to 2 min later: this client waits 15 s, a gateway a
 * minute.
 */
const LATE_MS = 120_000;

/** Removes operators of interrupted registrations that arrive late (docs/decisions/0015). */
export class LateOperators {
  readonly #client: ApiClient;
  readonly #marker: Pick<RegistrationMarker, "end">;
  /** The marker of the interrupted registration; `at` is a time of `performance.now()`. */
  #expected: { readonly marker: string; readonly at: number } | undefined;

  constructor(options: { client: ApiClient; marker: Pick<RegistrationMarker, "end"> }) {
    this.#client = options.client;
    this.#marker = options.marker;
  }

  /**
   * Ends a registration. If it took over the marker of an interrupted one, the marker stays until
   * {@linkcode remove} has searched for that one's operator.
   */
  async finish(interrupted: string | undefined): Promise<void> {
    if (interrupted === undefined) await this.#removeMarker();
    else this.#expected = { marker: interrupted, at: performance.now() + LATE_MS };
  }

  /**
   * Removes the late operators once they can be expected. Logs a failure and retries later.
   *
   * @throws The signal's reason, if it aborts.
   */
  async remove(ownId: string, signal: AbortSignal): Promise<void> {
    const expected = this.#expected;
    if (expected === undefined || performance.now() < expected.at) return;
    try {
      for (const id of await findOperators(this.#client, expected.marker, { signal })) {
        if (id === ownId) continue;
        await deleteOperator(this.#client, id, { signal });
        log.warn("Removed the operator of a registration that arrived late", { operator_id: id });
      }
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn("Cannot search for operators of an interrupted registration: {error}", {
        error: messageOf(error),
      });
      this.#expected = { ...expected, at: performance.now() + LATE_MS };
      return;
    }
    this.#expected = undefined;
    await this.#removeMarker();
  }

  async #removeMarker(): Promise<void> {
    try {
      await this.#marker.end();
    } catch (error) {
      // The only cost is that the next registration lists the account's operators.
      log.warn("Cannot remove the registration marker: {error}", { error: messageOf(error) });
    }
  }
}
