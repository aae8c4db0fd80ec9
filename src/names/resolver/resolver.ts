import type { ChangeOutcome } from "../outcome.ts";

/**
 * A way to make this machine send DNS queries to our DNS server. No method rejects for a reason
 * outside this program.
 */
export interface Resolver {
  /** The kind of resolver, for `status`. */
  readonly kind: string;
  /** The changed file or program, for people; empty if there is none. */
  readonly label: string;
  /** Makes exactly these settings and restores lost ones. Writes differences only. */
  apply(request: ResolverRequest): Promise<ResolverOutcome>;
  /** Removes every change of this run and of earlier ones. */
  withdraw(): Promise<ResolverOutcome>;
}

/** The names that this machine should resolve through our DNS server. */
export interface ResolverRequest {
  readonly server: DnsServerAddress;
  /**
   * Names and wildcards (`*.suffix`), normalised; each includes all names below it. The server
   * forwards queries for names that it does not know.
   */
  readonly domains: readonly string[];
  /**
   * The reason why the server has no other server to ask, so that it must not get queries for other
   * names; undefined if it has one.
   */
  readonly noUpstream?: { readonly problem: string; readonly hint: string | undefined } | undefined;
}

/** The address of our DNS server. */
export interface DnsServerAddress {
  /** IPv4. */
  readonly address: string;
  readonly port: number;
}

/** The result of an attempt. */
export interface ResolverOutcome extends ChangeOutcome {
  /** Requested name → the reason why it does not resolve through our DNS server. */
  readonly refused: ReadonlyMap<string, string>;
}
