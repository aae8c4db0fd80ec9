import type { ApiClient } from "../cloud/client.ts";
import type { CertificateInfo } from "../identity/certificate.ts";
import type { IdentityStore, Pair } from "../identity/store.ts";
import { Mutex } from "../lib/mutex.ts";
import type { Discovery } from "../model/discovery.ts";
import {
  ClientCertificate,
  type ClientCertificateOptions,
  type RenewalResult,
  type RenewOptions,
} from "./certificate.ts";
import { EndpointList } from "./endpoint_list.ts";
import type { IngressMemory } from "./ingress_memory.ts";
import { Registration } from "./registration.ts";
import type { RegistrationMarker } from "./registration_marker.ts";
import { Selectors } from "./selectors.ts";

/** The account path: this daemon's registration, certificate and endpoints in the ngrok account. */
export class Account {
  readonly #options: AccountOptions;
  /**
   * Serialises changes of the identity. A list does not take it, so that it cannot delay a renewal.
   */
  readonly #mutex = new Mutex();
  readonly #registration: Registration;
  readonly #certificate: ClientCertificate;
  readonly #selectors: Selectors;
  readonly #endpoints: EndpointList;

  constructor(options: AccountOptions) {
    const { client, ingress } = options;
    this.#options = options;
    this.#certificate = new ClientCertificate(options);
    this.#selectors = new Selectors({
      client,
      configured: options.selectors,
      onOperator: (operator) => ingress.record(operator),
    });
    this.#registration = new Registration({
      ...options,
      certificate: this.#certificate,
      selectors: this.#selectors,
    });
    this.#endpoints = new EndpointList(client);
  }

  get operatorId(): string | undefined {
    return this.#registration.operatorId;
  }

  get pair(): Pair | undefined {
    return this.#certificate.pair;
  }

  get certificate(): CertificateInfo | undefined {
    return this.#certificate.pair?.info;
  }

  /** `host:port` that the cloud named; undefined if it named none. */
  get ingressEndpoint(): string | undefined {
    return this.#options.ingress.endpoint;
  }

  /** Problems of the identity's files. */
  get problems(): readonly string[] {
    return this.#certificate.problems;
  }

  /** The reason why the configured selectors may not be in effect, if there is one. */
  get warnings(): readonly string[] {
    return this.#selectors.warning === undefined ? [] : [this.#selectors.warning];
  }

  /** Reads the identity from disk. @throws {FileError} */
  async load(): Promise<void> {
    const stored = await this.#options.store.load();
    this.#certificate.load(stored);
    await this.#registration.load(stored.operatorId);
    if (stored.operatorId !== undefined) await this.#options.ingress.load(stored.operatorId);
  }

  /**
   * Lists the bound endpoints. Registers first if need be, and once more if the operator turns out
   * to be gone, which is more than a 404 (docs/decisions/0015). Undefined while there is no API
   * key.
   *
   * @throws {ApiError}
   */
  async discover(signal: AbortSignal): Promise<Discovery | undefined> {
    if (!this.#options.hasKey()) return undefined;
    const wasRegistered = this.operatorId !== undefined;
    try {
      return await this.#discover(signal);
    } catch (error) {
      // The ingress refuses connections until there is a new operator: the next poll would be late.
      if (!wasRegistered || this.operatorId !== undefined || signal.aborted) throw error;
      return await this.#discover(signal);
    }
  }

  async #discover(signal: AbortSignal): Promise<Discovery> {
    const id = await this.#mutex.run(() => this.#registration.ensure(signal));
    try {
      const found = await this.#endpoints.list(id, signal);
      this.#registration.confirm();
      return found;
    } catch (error) {
      await this.#mutex.run(() => this.#registration.forgetIfGone(error, { id, signal }));
      throw error;
    }
  }

  /** Retries selectors that could not be applied at the next poll: another key may be accepted. */
  keyChanged(): void {
    this.#selectors.forgetFailure();
  }

  /**
   * Returns the time until a list of so many pages fits into the request budget, in milliseconds.
   */
  readyInMs(pages: number): number {
    return this.#endpoints.readyInMs(pages);
  }

  /** Renews with {@linkcode ClientCertificate.renew}. */
  renew(options: RenewOptions): Promise<RenewalResult> {
    return this.#mutex.run(async () => {
      const id = this.operatorId;
      try {
        return await this.#certificate.renew(id, options);
      } catch (error) {
        if (id !== undefined) await this.#registration.forgetIfGone(error, { id, signal: options.signal });
        throw error;
      }
    });
  }
}

/** Options of {@linkcode Account}. */
export interface AccountOptions extends Pick<ClientCertificateOptions, "createRequest"> {
  readonly client: ApiClient;
  readonly store: Pick<IdentityStore, "load" | "savePair" | "saveOperatorId" | "forgetOperatorId">;
  readonly marker: Pick<RegistrationMarker, "pending" | "begin" | "end">;
  readonly ingress: Pick<IngressMemory, "endpoint" | "load" | "record">;
  readonly hasKey: () => boolean;
  /** The configured endpoint selectors. */
  readonly selectors: () => readonly string[];
}
