import { getLogger } from "@logtape/logtape";
import type { ApiClient } from "../cloud/client.ts";
import { getOperator, isGone, NOT_AN_ID, type Operator, updateOperator } from "../cloud/operator.ts";
import { OnChange } from "../lib/on_change.ts";
import { ApiError } from "../model/errors.ts";
import { Pause } from "./pause.ts";

const log = getLogger(["ngrokd", "account"]);

/** Makes the operator's endpoint selectors, by which the cloud filters, the configured ones. */
export class Selectors {
  readonly #options: SelectorsOptions;
  readonly #pause = new Pause();
  readonly #logged = new OnChange();
  /** Operator and selectors that agree, and those that were tried last; as JSON. */
  #applied = "";
  #tried = "";
  #warning: string | undefined;

  constructor(options: SelectorsOptions) {
    this.#options = options;
  }

  get configured(): readonly string[] {
    return this.#options.configured();
  }

  /** The reason why the configured selectors may not be in effect; undefined if they are. */
  get warning(): string | undefined {
    return this.#warning;
  }

  /** Remembers the selectors that an operator was created with. */
  registered(operatorId: string, selectors: readonly string[]): void {
    this.#applied = JSON.stringify([operatorId, selectors]);
    this.#warning = undefined;
  }

  /**
   * Updates the operator if its selectors differ; checks them after a start and after each change
   * of the configuration. A failure is only a {@linkcode warning}, because the endpoints can be
   * listed all the same; it retries after a pause.
   *
   * @throws {ApiError} If the operator is gone, if there is no answer, or on a 429.
   * @throws The signal's reason, if it aborts.
   */
  async apply(operatorId: string, signal: AbortSignal): Promise<void> {
    const wanted = JSON.stringify([operatorId, this.configured]);
    if (wanted === this.#applied) return;
    if (wanted !== this.#tried) this.#pause.reset();
    if (this.#pause.leftMs > 0) return;
    this.#tried = wanted;
    // An update whose answer is lost may have taken effect.
    this.#applied = "";
    try {
      await this.#update(operatorId, signal);
      this.#applied = wanted;
      this.#warning = undefined;
      this.#logged.report(undefined, () => {});
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || isGone(error) || error.code === NOT_AN_ID) {
        throw error;
      }
      if (error.status === 0 || error.status === 429) throw error;
      this.#pause.failed();
      const { message, hint } = error;
      this.#warning = `bound_endpoints.selectors is not in effect: ${message}${hint ? ` (${hint})` : ""}`;
      this.#logged.report(
        message,
        (error) => log.warn("Cannot apply the configured selectors: {error}", { error, hint }),
      );
    }
  }

  async #update(operatorId: string, signal: AbortSignal): Promise<void> {
    const { client, onOperator } = this.#options;
    const selectors = this.configured;
    const operator = await getOperator(client, operatorId, { signal });
    await onOperator(operator);
    if (isSameSet(selectors, operator.selectors)) return;
    await onOperator(await updateOperator(client, operatorId, { selectors, signal }));
  }
}

/** True if both select the same endpoints: neither order nor repetition matters to the cloud. */
function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  const [a, b] = [new Set(one), new Set(other)];
  return a.size === b.size && a.isSubsetOf(b);
}

/** Options of {@linkcode Selectors}. */
export interface SelectorsOptions {
  readonly client: ApiClient;
  /** The configured selectors. */
  readonly configured: () => readonly string[];
  /** Receives each answer about the operator. */
  readonly onOperator: (operator: Operator) => Promise<void>;
}
