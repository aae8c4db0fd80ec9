import { getLogger } from "@logtape/logtape";
import type { ApiClient } from "../cloud/client.ts";
import { findOperators, listOperatorIds } from "../cloud/list_operators.ts";
import { deleteOperator, isGone, NOT_AN_ID, type Operator, registerOperator } from "../cloud/operator.ts";
import type { IdentityStore } from "../identity/store.ts";
import { ApiError, messageOf } from "../model/errors.ts";
import { limitTime } from "../system/clock.ts";
import type { ClientCertificate } from "./certificate.ts";
import type { IngressMemory } from "./ingress_memory.ts";
import { LateOperators } from "./late_operators.ts";
import { FailureBackoff } from "./failure_backoff.ts";
import type { RegistrationMarker } from "./registration_marker.ts";
import type { Selectors } from "./selectors.ts";

const log = getLogger(["ngrokd", "account"]);

const REMOVAL_MS = 5_000;

/** Registers this daemon, and again if the account deletes its operator (docs/decisions/0015). */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #late: LateOperators;
  /**
   * Starts after each registration, because an operator that is reported missing at once may still
   * exist.
   */
  readonly #backoff = new FailureBackoff();
  #operatorId: string | undefined;
  /** True if an earlier process may have saved the id but not its certificate. */
  #needsCertificate = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#late = new LateOperators(options);
  }

  get operatorId(): string | undefined {
    return this.#operatorId;
  }

  /** Uses the id that was on disk. @throws {FileError} */
  async load(operatorId: string | undefined): Promise<void> {
    this.#operatorId = operatorId;
    this.#needsCertificate = operatorId !== undefined && await this.#options.marker.pending() !== undefined;
  }

  /**
   * Returns the id of the operator, with its certificate in use and its selectors applied.
   * Registers it if need be.
   *
   * @throws {ApiError}
   */
  async ensure(signal: AbortSignal): Promise<string> {
    const { certificate, selectors } = this.#options;
    const id = this.#operatorId ?? await this.#register(signal);
    try {
      if (this.#needsCertificate || certificate.pair === undefined) await this.#finish(id, signal);
      await selectors.apply(id, signal);
      await this.#late.remove(id, signal);
    } catch (error) {
      await this.forgetIfGone(error, { id, signal });
      throw error;
    }
    return id;
  }

  /** Allows the next registration at once, because the operator has proven to exist. */
  confirm(): void {
    this.#backoff.reset();
  }

  /** Forgets the operator if the error of a call says that the account no longer has it. */
  async forgetIfGone(error: unknown, last: { id: string; signal: AbortSignal }): Promise<void> {
    const { id, signal } = last;
    if (this.#operatorId !== id) return;
    // The file may be truncated and hold half an id.
    const isNoId = error instanceof ApiError && error.code === NOT_AN_ID;
    if (!isNoId && !(isGone(error) && await this.#isUnlisted(id, signal))) return;
    log.warn("The account no longer has this operator; registering a new operator", { operator_id: id });
    this.#operatorId = undefined;
    await this.#options.store.forgetOperatorId();
  }

  /**
   * Returns true if the account's list lacks it; a 404 alone can come from a gateway or a wrong
   * api.url.
   */
  async #isUnlisted(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      return !(await listOperatorIds(this.#options.client, signal)).includes(id);
    } catch (error) {
      if (signal.aborted) throw error;
      // The account has more operators than are listed: the 404 alone decides.
      if (error instanceof ApiError && error.code === "too_many_pages") return true;
      log.warn("Cannot list the operators: {error}; keeping the operator that was not found", {
        operator_id: id,
        error: messageOf(error),
      });
      return false;
    }
  }

  async #register(signal: AbortSignal): Promise<string> {
    const { client, certificate, store, selectors, marker, ingress } = this.#options;
    this.#checkBackoff();
    const interrupted = await marker.pending();
    const adopted = interrupted === undefined ? undefined : await this.#adopt(interrupted, signal);
    if (adopted !== undefined) return adopted;
    const { key, csr } = await certificate.createRequest();
    const { configured } = selectors;
    const operator = await registerOperator(client, {
      csr,
      selectors: configured,
      marker: interrupted ?? await marker.begin(),
      signal,
    }).catch((error) => {
      // The marker stays: a gateway may have answered after the API had created the operator.
      if (isGone(error)) this.#backoff.extend();
      throw error;
    });
    try {
      // The id goes first: after a crash in between, the same operator gets a certificate.
      await store.saveOperatorId(operator.id);
      await certificate.use({ cert: operator.certificate, key });
    } catch (error) {
      await this.#removeUnsaved(operator, signal);
      throw error;
    }
    await this.#late.finish(interrupted);
    this.#backoff.extend();
    this.#operatorId = operator.id;
    selectors.recordRegistration(operator.id, configured);
    await ingress.record(operator);
    log.info("Registered operator; its certificate is in use", {
      operator_id: operator.id,
      cert: certificate.pair!.info.serial,
    });
    return operator.id;
  }

  /** Takes over the operator of an interrupted registration; undefined if there is none. */
  async #adopt(interrupted: string, signal: AbortSignal): Promise<string | undefined> {
    const { client, certificate, store, marker } = this.#options;
    const [id] = await findOperators(client, interrupted, { signal });
    if (id === undefined) return undefined;
    log.info("Taking over the operator of an interrupted registration", { operator_id: id });
    try {
      await certificate.issue(id, { signal });
    } catch (error) {
      // It is listed but does not exist: the next attempt must not find it again.
      if (isGone(error)) await marker.end();
      throw error;
    }
    await store.saveOperatorId(id);
    await this.#late.finish(interrupted);
    return this.#operatorId = id;
  }

  /** Gets a certificate for an operator that is registered but has no usable pair. */
  async #finish(id: string, signal: AbortSignal): Promise<void> {
    const { certificate, marker } = this.#options;
    await certificate.issue(id, { signal });
    if (!this.#needsCertificate) return;
    this.#needsCertificate = false;
    await this.#late.finish(await marker.pending());
  }

  /** @throws {ApiError} `operator_lost` */
  #checkBackoff(): void {
    const { leftMs } = this.#backoff;
    if (leftMs === 0) return;
    const seconds = Math.ceil(leftMs / 1000);
    throw new ApiError(
      `Cannot register with ngrok: the API does not list the last operator; retrying in ${seconds} s`,
      { status: 0, code: "operator_lost", hint: "Check that api.url leads to the ngrok API" },
    );
  }

  /**
   * Removes an operator that could not be saved. Otherwise it would stay in the account, and
   * nothing here would know its id.
   */
  async #removeUnsaved(operator: Operator, signal: AbortSignal): Promise<void> {
    using limit = limitTime(REMOVAL_MS, { signal });
    try {
      await deleteOperator(this.#options.client, operator.id, { signal: limit.signal });
      await this.#options.store.forgetOperatorId();
    } catch (error) {
      log.error("Cannot remove the operator that could not be saved: {error}", {
        operator_id: operator.id,
        error: messageOf(error),
      });
    }
  }
}

/** Options of {@linkcode Registration}. */
export interface RegistrationOptions {
  readonly client: ApiClient;
  readonly store: Pick<IdentityStore, "saveOperatorId" | "forgetOperatorId">;
  readonly marker: Pick<RegistrationMarker, "pending" | "begin" | "end">;
  readonly certificate: ClientCertificate;
  readonly selectors: Selectors;
  readonly ingress: Pick<IngressMemory, "record">;
}
