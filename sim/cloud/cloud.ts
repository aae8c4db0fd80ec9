import { ApiServer, type RequestRecord } from "./api_server.ts";
import { AdminServer } from "./admin.ts";
import { CertificateAuthority } from "./certificate_authority.ts";
import type { Faults } from "./faults.ts";
import type { BackendRequest } from "./http_backend.ts";
import { Ingress, type IngressCounts, type UpgradeRecord } from "./ingress.ts";
import type { Account } from "./state/accounts.ts";
import { CloudState } from "./state/cloud_state.ts";
import type { Backend, Endpoint, EndpointOptions } from "./state/endpoints.ts";
import type { Operator } from "./state/operators.ts";
import type { Switches } from "./switches.ts";
import type { TlsProfile } from "./tls_accept.ts";

/** An operator as tests see it. */
export interface OperatorSummary {
  id: string;
  accountId: string;
  description: string;
  metadata: string;
  region: string;
  features: string[];
  selectors: string[];
  /** The current certificate in PEM, or null. */
  certificate: string | null;
  /** The number of different certificates that were issued. */
  certificates: number;
  deleted: boolean;
  revoked: boolean;
}

/**
 * ngrok's cloud as docs/protocol.md describes it: HTTP API, ingress, endpoints with backends,
 * faults.
 */
export class SimulatedCloud implements AsyncDisposable {
  /** The switches for [G]; they may be changed while the cloud runs. */
  readonly switches: Switches;
  /** The fault switches. */
  readonly faults: Faults;
  /** A key of the default account. */
  readonly apiKey: string;
  /** The CA of the ingress, of `tls` backends and of an HTTPS API, in PEM: an intermediate. */
  readonly caPem: string;
  /** A name in the ingress's certificate that resolves to loopback. */
  readonly ingressHost = "localhost";
  readonly #state: CloudState;
  readonly #account: Account;
  readonly #api: ApiServer;
  readonly #ingress: Ingress;
  readonly #admin: AdminServer;

  /** For `start()` only. */
  constructor(state: CloudState, options: { apiTls?: TlsProfile | undefined } = {}) {
    this.#state = state;
    this.switches = state.switches;
    this.faults = state.faults;
    const account = state.addAccount();
    this.#account = account;
    this.apiKey = account.apiKey;
    this.caPem = state.authority.caPem;
    this.#api = new ApiServer(state, options.apiTls);
    this.#ingress = new Ingress(state);
    this.#admin = new AdminServer(this);
  }

  /** Makes the CA and opens API, ingress and admin API on 127.0.0.1. */
  static async start(options: StartOptions = {}): Promise<SimulatedCloud> {
    const { apiTls = false, seed = 1, switches = {}, now = Date.now, ports = {} } = options;
    const authority = await CertificateAuthority.create();
    const state = new CloudState(authority, { now, seed, switches });
    const profile = apiTls
      ? await authority.issueServer(["localhost", "127.0.0.1", "api.ngrok.com"])
      : undefined;
    const cloud = new SimulatedCloud(state, { apiTls: profile });
    try {
      await cloud.#api.listener.open(ports.api ?? 0);
      await cloud.#ingress.listener.open(ports.ingress ?? 0);
      await cloud.#admin.listener.open(ports.admin ?? 0);
    } catch (error) {
      await cloud[Symbol.asyncDispose]();
      throw error;
    }
    state.ownIngress = `${cloud.ingressHost}:${cloud.ingressPort}`;
    return cloud;
  }

  /** The base URL of the API. */
  get apiUrl(): string {
    return this.#api.url;
  }

  /** The port of the ingress. */
  get ingressPort(): number {
    return this.#ingress.listener.port;
  }

  /** The base URL of the admin API. */
  get adminUrl(): string {
    return this.#admin.url;
  }

  /** The number of open streams after their upgrade. */
  get openStreams(): number {
    return this.#ingress.openStreams;
  }

  /** The number of open ingress connections, including those that have not sent a request. */
  get openConnections(): number {
    return this.#ingress.listener.connections;
  }

  /** Counts of ingress connections by what happened before their upgrade request. */
  get ingressCounts(): IngressCounts {
    return { ...this.#ingress.counts };
  }

  /**
   * Adds an endpoint, to the default account unless another is given.
   *
   * @throws {ApiFailure} If a rule of docs/protocol.md 2.2 forbids it.
   */
  addEndpoint(options: EndpointOptions & { accountId?: string }): { id: string } {
    const { accountId = this.#account.id, ...endpoint } = options;
    return { id: this.#state.endpoints.add(accountId, endpoint).id };
  }

  /** Removes an endpoint. Returns false if there is none. */
  removeEndpoint(id: string): boolean {
    return this.#state.endpoints.remove(id);
  }

  /**
   * Changes the backend of an endpoint for new streams.
   *
   * @throws {RangeError} If the id is unknown.
   */
  setBackend(id: string, backend: Backend): void {
    const endpoint = this.#state.endpoints.get(id);
    if (endpoint === undefined) throw new RangeError(`Cannot set the backend of ${id}: no such endpoint`);
    endpoint.backend = backend;
  }

  /** The endpoints of the default account, newest first. */
  endpoints(): Endpoint[] {
    return this.#state.endpoints.newestFirst(this.#account.id);
  }

  /** Adds an account with one key. */
  addAccount(options: Partial<Omit<Account, "id" | "apiKeys">> = {}): { id: string; apiKey: string } {
    const { id, apiKey } = this.#state.addAccount(options);
    return { id, apiKey };
  }

  /** Adds a key to the default account. */
  addApiKey(): string {
    const key = this.#state.newKey();
    this.#account.apiKeys.add(key);
    return key;
  }

  /** Revokes a key; it is refused with 203 from now on. */
  revokeApiKey(key: string): void {
    for (const account of this.#state.accounts.values()) account.apiKeys.delete(key);
  }

  /** Changes the default account, for example its state. */
  setAccount(change: Partial<Omit<Account, "id" | "apiKeys">>): void {
    Object.assign(this.#account, change);
  }

  /** Sets the number of API requests that an account may make in 60 s; 120 at first. */
  setRateLimit(requests: number): void {
    this.#state.rateLimit = requests;
  }

  /** Sets the lifetime of new client certificates in milliseconds; 90 days at first. */
  setCertificateLifetime(ms: number): void {
    this.#state.certificateLifetimeMs = ms;
  }

  /** The API requests so far, oldest first. */
  requests(): readonly RequestRecord[] {
    return this.#api.requests;
  }

  /** The upgrade requests so far, oldest first. */
  upgrades(): readonly UpgradeRecord[] {
    return this.#ingress.upgrades;
  }

  /** The HTTP requests that reached http and tls backends, oldest first. */
  backendRequests(): readonly BackendRequest[] {
    return this.#ingress.backendRequests;
  }

  /** All operators, oldest first, including deleted ones. */
  operators(): OperatorSummary[] {
    return [...this.#state.operators.values()].map(summary);
  }

  /** Deletes an operator as DELETE does. @throws {RangeError} If the id is unknown. */
  deleteOperator(id: string): void {
    this.#state.deleteOperator(this.#operator(id));
  }

  /**
   * Revokes the certificates of an operator, which stays.
   *
   * @throws {RangeError} If the id is unknown.
   */
  revokeOperator(id: string): void {
    this.#state.revokeOperator(this.#operator(id));
  }

  /** Closes the port of the ingress. `cutStreams` resets the open connections, too. */
  async closeIngress(options: { cutStreams?: boolean } = {}): Promise<void> {
    await this.#ingress.listener.close();
    if (options.cutStreams === true) this.#ingress.listener.resetAll();
  }

  /** Opens the ingress again on the same port. */
  async openIngress(): Promise<void> {
    await this.#ingress.listener.open();
  }

  /** Closes the port of the API and resets its connections. */
  async closeApi(): Promise<void> {
    await this.#api.listener.close();
    this.#api.listener.resetAll();
  }

  /** Opens the API again on the same port. */
  async openApi(): Promise<void> {
    await this.#api.listener.open();
  }

  /** Waits until no ingress connection is open. */
  async ingressIdle(): Promise<void> {
    await this.#ingress.listener.idle();
  }

  /** Removes operators, endpoints, faults and records; accounts and keys stay. */
  reset(): void {
    this.#state.operators.clear();
    for (const account of this.#state.accounts.values()) {
      account.requestTimes = [];
      for (const { id } of this.#state.endpoints.newestFirst(account.id)) this.#state.endpoints.remove(id);
    }
    this.faults.clear();
    this.#api.requests.length = 0;
    this.#ingress.forget();
  }

  /** Closes all ports and connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.#api[Symbol.asyncDispose](),
      this.#ingress[Symbol.asyncDispose](),
      this.#admin[Symbol.asyncDispose](),
    ]);
  }

  #operator(id: string): Operator {
    const operator = this.#state.operators.get(id);
    if (operator === undefined) throw new RangeError(`Cannot change the operator ${id}: no such operator`);
    return operator;
  }
}

/** Options of {@linkcode SimulatedCloud.start}. */
export interface StartOptions {
  /** True makes the API speak HTTPS with a certificate of `caPem`. @default {false} */
  apiTls?: boolean;
  /** The seed of the ids. */
  seed?: number;
  switches?: Partial<Switches>;
  /** The time in milliseconds since 1970. @default The clock. */
  now?: () => number;
  /** Ports; 0 takes a free one. @default {0} */
  ports?: { api?: number; ingress?: number; admin?: number };
}

function summary(operator: Operator): OperatorSummary {
  const { id, accountId, description, metadata, region, features, selectors, deleted, revoked } = operator;
  return {
    ...{ id, accountId, description, metadata, region, features, selectors, deleted, revoked },
    certificate: operator.certificate?.pem ?? null,
    certificates: new Set(operator.byCsr.values()).size,
  };
}
