import { getLogger } from "@logtape/logtape";
import { type EndpointPage, listBoundEndpoints } from "../cloud/bound_endpoints.ts";
import type { ApiClient } from "../cloud/client.ts";
import { findOperators, listOperatorIds } from "../cloud/list_operators.ts";
import {
  deleteOperator,
  isGone,
  NOT_AN_ID,
  type Operator,
  registerOperator,
  updateOperator,
} from "../cloud/operator.ts";
import type { CertificateInfo } from "../identity/certificate.ts";
import { decideRenewal } from "../identity/renewal.ts";
import type { RegistrationMark } from "./registration_mark.ts";
import type { IdentityStore, Pair } from "../identity/store.ts";
import type { RememberedPages } from "../cloud/pages.ts";
import { Mutex } from "../lib/mutex.ts";
import type { Endpoint } from "../model/endpoint.ts";
import { ApiError, messageOf } from "../model/errors.ts";
import { limitTime } from "../system/clock.ts";
import type { Discovery } from "../model/discovery.ts";
import { RegisterPace } from "./register_pace.ts";
import { RegistrationEnd } from "./registration_end.ts";

const log = getLogger(["ngrokd", "sync"]);

/** Words that scripts know (COMPAT.md 4.3). */
const NOT_REGISTERED = "daemon not registered - set API key first";

const ORPHAN_MS = 5_000;

/** What an account is made of. */
export interface AccountOptions {
  readonly client: ApiClient;
  readonly store: Pick<IdentityStore, "load" | "savePair" | "saveOperatorId" | "forgetOperatorId">;
  /** @default {No mark: a registration whose answer is lost leaves an operator behind} */
  readonly mark?: Pick<RegistrationMark, "pending" | "begin" | "end">;
  /** What the cloud has named as the ingress, over restarts: without it a start while the API is down would dial another one. */
  readonly ingressMemory?: {
    recall(operatorId: string): Promise<string | undefined>;
    remember(operatorId: string, endpoint: string | undefined): Promise<void>;
  };
  /** A new private key and a signing request for it, both PEM. */
  readonly createRequest: () => Promise<{ readonly key: string; readonly csr: string }>;
  readonly hasKey: () => boolean;
  readonly selectors: () => readonly string[];
  /** Milliseconds since the epoch. @default {Date.now} */
  readonly now?: () => number;
}

/** Options of a renewal. */
export interface RenewOptions {
  /** Also if it is not due. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  /** How long it may wait for its turn at the API, in milliseconds. @default {Infinity} */
  readonly patienceMs?: number;
}

/** What a call for renewal came to. */
export interface RenewalResult {
  readonly renewed: boolean;
  readonly certificate: CertificateInfo;
  /** When it is due, milliseconds since the epoch. */
  readonly dueAt: number;
}

/** This daemon in the ngrok account: registered once, its certificate renewed, its endpoints asked for. */
export class Account {
  readonly #options: AccountOptions;
  /** Over what changes the identity. */
  readonly #mutex = new Mutex();
  /** Over the lists, of which a long one must not hold up a renewal. */
  readonly #lists = new Mutex();
  readonly #registerPace = new RegisterPace();
  readonly #registrationEnd: RegistrationEnd;
  #endpoints: readonly Endpoint[] = [];
  #byId: ReadonlyMap<string, Endpoint> = new Map();
  #operatorId: string | undefined;
  #pair: Pair | undefined;
  /** The id is on disk, and the pair may be that of an operator before it. */
  #isUnfinished = false;
  #ingressEndpoint: string | undefined;
  /** As they were read last, by what was asked for. */
  readonly #pages: RememberedPages<EndpointPage> = new Map();
  #problems: readonly string[] = [];
  /** The selectors that the cloud is known to have; undefined until it was told. */
  #toldSelectors: string | undefined;

  constructor(options: AccountOptions) {
    this.#options = options;
    this.#registrationEnd = new RegistrationEnd({ client: options.client, mark: options.mark });
  }

  get operatorId(): string | undefined {
    return this.#operatorId;
  }

  get pair(): Pair | undefined {
    return this.#pair;
  }

  get certificate(): CertificateInfo | undefined {
    return this.#pair?.info;
  }

  /** `host:port` that the cloud named; undefined if it named none. */
  get ingressEndpoint(): string | undefined {
    return this.#ingressEndpoint;
  }

  /** What was wrong with the identity's files. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Reads the identity from disk. */
  async load(): Promise<void> {
    const { operatorId, pair, problems } = await this.#options.store.load();
    for (const { message, hint } of problems) {
      log.error("The stored certificate or id has a problem: {problem}", { problem: message, hint });
    }
    this.#operatorId = operatorId;
    this.#problems = problems.map((problem) => problem.message);
    this.#pair = pair;
    const { mark, ingressMemory } = this.#options;
    if (operatorId !== undefined) this.#ingressEndpoint = await ingressMemory?.recall(operatorId);
    this.#isUnfinished = operatorId !== undefined && await mark?.pending() !== undefined;
  }

  /**
   * Asks for the bound endpoints; registers first if need be, and once more if the operator turns out to be gone. Undefined while there is
   * no API key.
   *
   * @throws {ApiError}
   */
  async discover(signal: AbortSignal): Promise<Discovery | undefined> {
    if (!this.#options.hasKey()) return undefined;
    const wasRegistered = this.#operatorId !== undefined;
    try {
      return await this.#discover(signal);
    } catch (error) {
      // The ingress serves no operator that is gone: the next poll would be late.
      if (!wasRegistered || this.#operatorId !== undefined || signal.aborted) throw error;
      return await this.#discover(signal);
    }
  }

  async #discover(signal: AbortSignal): Promise<Discovery> {
    const id = await this.#mutex.run(() => this.#ready(signal));
    return await this.#lists.run(async () => {
      try {
        return await this.#list(id, signal);
      } catch (error) {
        // Also what was an answer, and no list.
        if (error instanceof ApiError) this.#options.client.budget.failed();
        await this.#mutex.run(() => this.#forgetIfGone(error, { id, signal }));
        throw error;
      }
    });
  }

  /** The id of the operator, which has its certificate and knows the selectors. */
  async #ready(signal: AbortSignal): Promise<string> {
    if (this.#operatorId === undefined) await this.#register(signal);
    const id = this.#operatorId!;
    try {
      if (this.#pair === undefined || this.#isUnfinished) await this.#finish(id, signal);
      await this.#tellSelectors(id, signal);
      await this.#registrationEnd.removeLate(id, signal);
    } catch (error) {
      await this.#forgetIfGone(error, { id, signal });
      throw error;
    }
    return id;
  }

  /** A crash came between id and pair, or the pair was found unusable: the operator is there and needs no other. */
  async #finish(id: string, signal: AbortSignal): Promise<void> {
    await this.#reissue(id, signal);
    if (!this.#isUnfinished) return;
    this.#isUnfinished = false;
    await this.#registrationEnd.note(await this.#options.mark?.pending());
  }

  /** How long until so many pages can be asked for in a row, in milliseconds. */
  readyInMs(pages: number): number {
    return this.#options.client.budget.waitMs(pages);
  }

  /**
   * Renews the certificate if it is due, or at once with `force`: a new key and a new signing request each time (PROTOCOL.md 1.6).
   *
   * @throws {ApiError} If the cloud does not issue one; the old pair stays in use.
   * @throws {CertificateError} If what it issued cannot be used; the old pair stays in use and on disk.
   * @throws {RangeError} If there is nothing to renew yet.
   */
  renew(options: RenewOptions): Promise<RenewalResult> {
    const { force, signal, patienceMs } = options;
    return this.#mutex.run(async () => {
      const { now = Date.now } = this.#options;
      const id = this.#operatorId;
      const certificate = this.certificate;
      if (id === undefined || certificate === undefined) {
        throw new RangeError(NOT_REGISTERED);
      }
      const { action, dueAt } = decideRenewal(certificate, now());
      if (action === "keep" && !force) return { renewed: false, certificate, dueAt };
      try {
        await this.#reissue(id, signal, patienceMs);
      } catch (error) {
        await this.#forgetIfGone(error, { id, signal });
        throw error;
      }
      const renewed = this.#pair!.info;
      log.info("Renewed the certificate", {
        cert: renewed.serial,
        not_after: new Date(renewed.notAfter).toISOString(),
      });
      return { renewed: true, certificate: renewed, dueAt: decideRenewal(renewed, now()).dueAt };
    });
  }

  /** An unchanged list is the very list of last time: thousands of endpoints are then not looked at again. */
  async #list(id: string, signal: AbortSignal): Promise<Discovery> {
    const last = this.#endpoints;
    const found = await listBoundEndpoints(this.#options.client, id, {
      signal,
      known: this.#byId,
      remembered: this.#pages,
    });
    this.#options.client.budget.listed();
    this.#registerPace.held();
    const { endpoints } = found;
    const same = endpoints.length === last.length && endpoints.every((endpoint, i) => endpoint === last[i]);
    if (same) return { ...found, endpoints: last };
    this.#endpoints = endpoints;
    this.#byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    return found;
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { client, createRequest, store, selectors, mark } = this.#options;
    this.#registerPace.check();
    const pending = await mark?.pending();
    if (pending !== undefined && await this.#adopt(pending, signal)) return;
    const { key, csr } = await createRequest();
    const wanted = selectors();
    const operator = await registerOperator(client, {
      csr,
      selectors: wanted,
      mark: pending ?? await mark?.begin(),
      signal,
    }).catch((error) => {
      // The mark stays: whatever the answer says, something on the way may have written it after the operator was made.
      if (isGone(error)) this.#registerPace.lost();
      throw error;
    });
    try {
      // The id goes first: after a crash in between, the same operator gets a certificate, and no second one is made.
      await store.saveOperatorId(operator.id);
      this.#pair = await store.savePair({ cert: operator.certificate, key });
    } catch (error) {
      await this.#removeOrphan(operator, signal);
      throw error;
    }
    await this.#registrationEnd.note(pending);
    this.#registerPace.lost();
    this.#operatorId = operator.id;
    await this.#noteIngress(operator);
    this.#toldSelectors = JSON.stringify(wanted);
    this.#problems = [];
    log.info("Registered with the cloud, the certificate is in place", {
      operator_id: operator.id,
      cert: this.#pair.info.serial,
    });
  }

  /** Takes over the operator of a registration that was cut off, with a new key; false if there is none. */
  async #adopt(mark: string, signal: AbortSignal): Promise<boolean> {
    const { client, store } = this.#options;
    const [id] = await findOperators(client, mark, { signal });
    if (id === undefined) return false;
    log.info("An operator of an interrupted registration is taken over", { operator_id: id });
    try {
      await this.#reissue(id, signal);
    } catch (error) {
      // Listed and not there: it would be taken over for ever.
      if (isGone(error)) await this.#options.mark?.end();
      throw error;
    }
    await store.saveOperatorId(id);
    await this.#registrationEnd.note(mark);
    this.#operatorId = id;
    return true;
  }

  /** A new key and certificate for the operator that there is. */
  async #reissue(id: string, signal: AbortSignal, patienceMs?: number): Promise<void> {
    const { client, createRequest, store } = this.#options;
    const { key, csr } = await createRequest();
    const operator = await updateOperator(client, id, { csr, signal, patienceMs });
    this.#pair = await store.savePair({ cert: operator.certificate, key }, this.#pair?.info);
    this.#problems = [];
  }

  /** Once after each start and each change: the cloud filters by what it was told last. */
  async #tellSelectors(id: string, signal: AbortSignal): Promise<void> {
    const selectors = this.#options.selectors();
    const text = JSON.stringify(selectors);
    if (text === this.#toldSelectors) return;
    const operator = await updateOperator(this.#options.client, id, { selectors, signal });
    await this.#noteIngress(operator);
    this.#toldSelectors = text;
  }

  async #noteIngress({ id, ingressEndpoint }: Operator): Promise<void> {
    if (ingressEndpoint !== this.#ingressEndpoint) {
      await this.#options.ingressMemory?.remember(id, ingressEndpoint);
    }
    this.#ingressEndpoint = ingressEndpoint;
  }

  async #forgetIfGone(error: unknown, last: { id: string; signal: AbortSignal }): Promise<void> {
    const { id, signal } = last;
    if (this.#operatorId !== id) return;
    // A file that was cut off holds half an id.
    const isNoId = error instanceof ApiError && error.code === NOT_AN_ID;
    if (!isNoId && !(isGone(error) && await this.#isUnlisted(id, signal))) return;
    log.warn("The cloud no longer knows this operator: registering anew", { operator_id: id });
    this.#operatorId = undefined;
    this.#toldSelectors = undefined;
    await this.#options.store.forgetOperatorId();
  }

  /** A 404 can be the answer of a gateway on the way, or of another path than the API's; its list cannot. */
  async #isUnlisted(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      return !(await listOperatorIds(this.#options.client, signal)).includes(id);
    } catch (error) {
      if (signal.aborted) throw error;
      // More operators than are read: the 404 has to do.
      if (error instanceof ApiError && error.code === "page_loop") return true;
      log.warn(
        "An operator was not found, and is kept because the list of operators cannot be read: {error}",
        {
          operator_id: id,
          error: messageOf(error),
        },
      );
      return false;
    }
  }

  /** An operator whose certificate could not be kept would stay in the account for ever. */
  async #removeOrphan(operator: Operator, signal: AbortSignal): Promise<void> {
    using limit = limitTime(ORPHAN_MS, { signal });
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
