import type { CertificateAuthority } from "../certificate_authority.ts";
import { Faults } from "../faults.ts";
import { KsuidSource } from "../ksuid.ts";
import { DEFAULT_SWITCHES, type Switches } from "../switches.ts";
import type { Account } from "./accounts.ts";
import { EndpointStore } from "./endpoints.ts";
import type { Operator } from "./operators.ts";

/** The state of the simulated cloud. */
export class CloudState {
  readonly switches: Switches;
  readonly faults: Faults = new Faults();
  readonly ids: KsuidSource;
  readonly accounts: Map<string, Account> = new Map();
  /** All operators; deleted ones too, because the ingress must know their certificates. */
  readonly operators: Map<string, Operator> = new Map();
  readonly endpoints: EndpointStore;
  readonly authority: CertificateAuthority;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The number of requests that an account may make in 60 s. */
  rateLimit = 120;
  /** The lifetime of new client certificates (docs/protocol.md 1.6). */
  certificateLifetimeMs = 90 * 86_400_000;
  /** Resets the established streams of an operator; the ingress replaces this function. */
  cutStreams: (operatorId: string) => void = () => {};
  /** The `host:port` of this cloud's ingress. */
  ownIngress = "";

  /** @param options `now` in milliseconds since 1970. */
  constructor(
    authority: CertificateAuthority,
    options: { now: () => number; seed: number; switches: Partial<Switches> },
  ) {
    this.authority = authority;
    this.now = options.now;
    this.switches = { ...DEFAULT_SWITCHES, ...options.switches };
    this.ids = new KsuidSource(options.now, options.seed);
    this.endpoints = new EndpointStore(this.switches, {
      nextId: () => this.ids.next("ep"),
      now: options.now,
    });
  }

  /** Makes an account with one key. */
  addAccount(options: Partial<Omit<Account, "id" | "apiKeys">> = {}): Account & { apiKey: string } {
    const apiKey = this.newKey();
    const account: Account = {
      id: this.ids.next("ac"),
      apiKeys: new Set([apiKey]),
      authtokens: new Set(),
      bindingsEnabled: true,
      poolingAllowed: true,
      state: "active",
      requestTimes: [],
      ...options,
    };
    this.accounts.set(account.id, account);
    return Object.assign(account, { apiKey });
  }

  /** A new key: a KSUID, an underscore and 21 characters. */
  newKey(): string {
    return `${this.ids.next("")}_${this.ids.next("").slice(-21)}`;
  }

  /** The operator with this id, unless it was deleted. */
  operator(accountId: string, id: string): Operator | undefined {
    const operator = this.operators.get(id);
    return operator?.accountId === accountId && !operator.deleted ? operator : undefined;
  }

  /** Deletes an operator, and revokes its certificates if the switches say so. */
  deleteOperator(operator: Operator): void {
    operator.deleted = true;
    if (this.switches.revokeOnDelete) this.revokeOperator(operator);
  }

  /** Revokes an operator's certificates, and resets its streams if the switches say so. */
  revokeOperator(operator: Operator): void {
    operator.revoked = true;
    if (this.switches.cutStreamsOnRevoke) this.cutStreams(operator.id);
  }

  /** The operator of a certificate, even if it is deleted. */
  operatorByFingerprint(fingerprint: string): { operator: Operator; notAfter: Date } | undefined {
    for (const operator of this.operators.values()) {
      for (const certificate of [operator.certificate, ...operator.byCsr.values()]) {
        if (certificate?.fingerprint === fingerprint) return { operator, notAfter: certificate.notAfter };
      }
    }
    return undefined;
  }
}
