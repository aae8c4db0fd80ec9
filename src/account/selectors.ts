import { getLogger } from "@logtape/logtape";
import type { ApiClient } from "../cloud/client.ts";
import { isKeyRefused } from "../cloud/api_key_refused.ts";
import { getOperator, isGone, NOT_AN_ID, type Operator, updateOperator } from "../cloud/operator.ts";
import { OnChange } from "../lib/on_change.ts";
import { ApiError, withHint } from "../model/errors.ts";
import { FailureBackoff } from "./failure_backoff.ts";

const log = getLogger(["ngrokd", "account"]);

/** Makes the operator's endpoint selectors, by which the cloud filters, the configured ones. */
export class Selectors {
  readonly #options: SelectorsOptions;
  readonly #backoff = new FailureBackoff();
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
  recordRegistration(operatorId: string, selectors: readonly string[]): void {
    this.#applied = JSON.stringify([operatorId, selectors]);
    this.forgetFailure();
  }

  /** Ends the back-off and the warning, for example because another API key may be accepted. */
  forgetFailure(): void {
    this.#tried = "";
    this.#backoff.reset();
    this.#warning = undefined;
    this.#logged.report(undefined, () => {});
  }

  /**
   * Updates the operator if its selectors differ; checks them after a start and after each change
   * of the configuration. Most failures are only a {@linkcode warning}, because the endpoints can
   * be listed all the same; it retries after a back-off.
   *
   * @throws {ApiError} If the operator may be gone, the key is refused, there is no connection to
   * the API, or the API demands a delay.
   * @throws The signal's reason, if it aborts.
   */
  async apply(operatorId: string, signal: AbortSignal): Promise<void> {
    const wanted = JSON.stringify([operatorId, this.configured]);
    if (wanted === this.#applied) return;
    if (wanted !== this.#tried) this.forgetFailure();
    if (this.#backoff.leftMs > 0) return;
    this.#tried = wanted;
    // An update whose response is lost may have taken effect.
    this.#applied = "";
    const { client, onOperator } = this.#options;
    const selectors = this.configured;
    let isFound = false;
    try {
      const operator = await getOperator(client, operatorId, { signal });
      isFound = true;
      await onOperator(operator);
      if (!isSameSet(selectors, operator.selectors)) {
        await onOperator(await updateOperator(client, operatorId, { selectors, signal }));
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || endsPoll(error)) throw error;
      // An update can be refused to an operator that exists, and to a key that may read.
      if (!isFound && deniesOperator(error)) throw error;
      // The failure may have been forgotten meanwhile.
      if (this.#tried === wanted) this.#fail(error);
      return;
    }
    this.#applied = wanted;
    this.forgetFailure();
  }

  #fail(error: ApiError): void {
    const { message, hint } = error;
    this.#backoff.extend();
    this.#warning = `bound_endpoints.selectors is not in effect: ${withHint(error)}`;
    this.#logged.report(
      message,
      (error) => log.warn("Cannot apply the configured selectors: {error}", { error, hint }),
    );
  }
}

/**
 * Returns true if the API demands a delay, or cannot be reached. After a timeout the list may still
 * arrive.
 */
function endsPoll({ status, code, retryAfterMs }: ApiError): boolean {
  return status === 429 || retryAfterMs !== undefined || (status === 0 && code !== "timeout");
}

/** Returns true if the operator may be gone, or the key is refused: the list would fail as well. */
function deniesOperator(error: ApiError): boolean {
  return isGone(error) || error.code === NOT_AN_ID || isKeyRefused(error);
}

/**
 * Returns true if both select the same endpoints: neither order nor repetition matters to the
 * cloud.
 */
function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  const [a, b] = [new Set(one), new Set(other)];
  return a.size === b.size && a.isSubsetOf(b);
}

/** Options of {@linkcode Selectors}. */
export interface SelectorsOptions {
  readonly client: ApiClient;
  /** The configured selectors. */
  readonly configured: () => readonly string[];
  /** Receives each response about the operator. */
  readonly onOperator: (operator: Operator) => Promise<void>;
}
