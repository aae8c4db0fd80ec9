import { getLogger } from "@logtape/logtape";
import type { ApiClient } from "../cloud/client.ts";
import { updateOperator } from "../cloud/operator.ts";
import type { CertificateInfo } from "../identity/certificate.ts";
import type { SigningRequest } from "../identity/csr.ts";
import { decideRenewal } from "../identity/renewal.ts";
import type { IdentityStore, Pair, StoredIdentity } from "../identity/store.ts";

const log = getLogger(["ngrokd", "account"]);

/** The certificate and key in use: requests and renews them. */
export class ClientCertificate {
  readonly #options: ClientCertificateOptions;
  #pair: Pair | undefined;
  #problems: readonly string[] = [];

  constructor(options: ClientCertificateOptions) {
    this.#options = options;
  }

  get pair(): Pair | undefined {
    return this.#pair;
  }

  /** Problems of the identity's files; none once a new certificate has replaced them. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Uses the pair that was on disk. */
  load({ pair, problems }: StoredIdentity): void {
    for (const { message, hint } of problems) {
      log.error("Problem with the stored certificate or operator id: {error}", { error: message, hint });
    }
    this.#pair = pair;
    this.#problems = problems.map(({ message }) => message);
  }

  createRequest(): Promise<SigningRequest> {
    return this.#options.createRequest();
  }

  /**
   * Saves a newly issued pair and uses it from now on.
   *
   * @param replaced The certificate of the same operator that it replaces.
   * @throws {CertificateError} If it cannot be used; the old pair stays in use and on disk.
   * @throws {FileError} If it cannot be saved.
   */
  async use(pair: Omit<Pair, "info">, replaced?: CertificateInfo): Promise<Pair> {
    this.#pair = await this.#options.store.savePair(pair, replaced);
    this.#problems = [];
    return this.#pair;
  }

  /** Gets a certificate with a new key for an operator. @throws As {@linkcode renew} does. */
  async issue(operatorId: string, options: Omit<RenewOptions, "force">): Promise<CertificateInfo> {
    const { key, csr } = await this.createRequest();
    const { certificate: cert } = await updateOperator(this.#options.client, operatorId, { ...options, csr });
    return (await this.use({ cert, key }, this.#pair?.info)).info;
  }

  /**
   * Renews the certificate if it is due or `force` is set, with a new key and a new signing
   * request: the cloud answers a known request with the old certificate (docs/protocol.md 1.6).
   *
   * @throws {ApiError} If the cloud does not issue one; the old pair stays in use.
   * @throws {CertificateError} If the new one cannot be used; the old pair stays in use, also on
   * disk.
   * @throws {RangeError} If there is no certificate yet.
   */
  async renew(operatorId: string | undefined, options: RenewOptions): Promise<RenewalResult> {
    const { force, ...rest } = options;
    const certificate = this.#pair?.info;
    if (operatorId === undefined || certificate === undefined) {
      // deno-lint-ignore ngrokd/error-message -- scripts know these words (docs/compatibility.md 4.3)
      throw new RangeError("daemon not registered - set API key first");
    }
    const { action, dueAt } = decideRenewal(certificate, Date.now());
    if (action === "keep" && !force) return { renewed: false, certificate, dueAt };
    const renewed = await this.issue(operatorId, rest);
    log.info("Renewed the certificate", {
      cert: renewed.serial,
      not_after: new Date(renewed.notAfter).toISOString(),
    });
    return { renewed: true, certificate: renewed, dueAt: decideRenewal(renewed, Date.now()).dueAt };
  }
}

/** Options of a renewal. */
export interface RenewOptions {
  /** Renews even if the certificate is not due. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  /** The longest wait for the request budget, in milliseconds. @default {Infinity} */
  readonly maxWaitMs?: number | undefined;
}

/** The result of a renewal. */
export interface RenewalResult {
  readonly renewed: boolean;
  readonly certificate: CertificateInfo;
  /** The time at which it is due, milliseconds since the epoch. */
  readonly dueAt: number;
}

/** Options of {@linkcode ClientCertificate}. */
export interface ClientCertificateOptions {
  readonly client: ApiClient;
  readonly store: Pick<IdentityStore, "savePair">;
  /** Makes a new private key and a signing request for it. */
  readonly createRequest: () => Promise<SigningRequest>;
}
