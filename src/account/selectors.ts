import { getLogger } from "@logtape/logtape";
import type { ApiClient } from "../cloud/client.ts";
import { getOperator, isGone, NOT_AN_ID, type Operator, updateOperator } from "../cloud/operator.ts";
import { OnChange } from "../lib/on_change.ts";
import { ApiError } from "../model/errors.ts";
import { Pause } from "./pause.ts";

const log = getLogger(["ngrokd", "account"]);

/** Options of {@linkcode Selectors}. */
export interface SelectorsOptions {
  readonly client: ApiClient;
  /** The configured selectors. */
  readonly configured: () => readonly string[];
  /** Receives each answer about the operator. */
  readonly onOperator: (operator: Operator) => Promise<void>;
}

/** Keeps the endpoint selectors of the operator, by which the cloud filters its endpoints, equal to the configured ones. */
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

  /** The reason why the cloud may filter by other selectors than the configured ones; undefined if it does not. */
  get warning(): string | undefined {
    return this.#warning;
  }

  /** Remembers the selectors that an operator was created with. */
  registered(operatorId: string, selectors: readonly string[]): void {
    this.#applied = JSON.stringify([operatorId, selectors]);
    this.#warning = undefined;
  }

  /**
   * Compares once after a start and after each change of the configuration, and updates the operator if the selectors differ. A failure
   * is only a {@linkcode warning}: the endpoints can be listed all the same. It retries after a pause.
   *
   * @throws {ApiError} If the operator is gone, or if the API cannot be asked now: no answer, or too many requests.
   * @throws The signal's reason, if it aborts.
   */
  async apply(operatorId: string, signal: AbortSignal): Promise<void> {
    const wanted = JSON.stringify([operatorId, this.configured]);
    if (wanted === this.#applied) return;
    if (wanted !== this.#tried) this.#pause.reset();
    if (this.#pause.leftMs > 0) return;
    this.#tried = wanted;
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

/** True if both select the same endpoints: the cloud combines selectors, so neither order nor repetition matters. */
function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  const [a, b] = [new Set(one), new Set(other)];
  return a.size === b.size && a.isSubsetOf(b);
}
