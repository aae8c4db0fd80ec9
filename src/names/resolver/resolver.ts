/** A DNS server of ours. */
export interface DnsServer {
  /** IPv4. */
  readonly address: string;
  readonly port: number;
}

/** Which questions of this machine shall come to our DNS server. */
export interface ResolverRequest {
  readonly server: DnsServer;
  /**
   * Names and wildcards (`*.suffix`), normalised. Each stands for itself and all below it; our server passes on what it does not know.
   * Without any, nothing shall come.
   */
  readonly domains: readonly string[];
}

/** What an attempt did. */
export interface ResolverOutcome {
  /** Whether anything was changed. */
  readonly changed: boolean;
  /** Why the questions do not come as asked; undefined if they do. */
  readonly problem?: string | undefined;
  /** What the user can do about the problem. */
  readonly hint?: string | undefined;
  /** Domain, as it was asked for → why this one is left out. */
  readonly refused: ReadonlyMap<string, string>;
  /** Each is worth one line of the log; the same thing is not said twice. */
  readonly warnings: readonly string[];
}

/** What makes this machine ask our DNS server. No verb rejects for a reason that lies outside this program. */
export interface Resolver {
  /** What it is, for `status`. */
  readonly kind: string;
  /** What is changed, for people; empty if nothing. */
  readonly target: string;
  /** Why our server is not asked at all; undefined if it is. */
  readonly off: string | undefined;
  /**
   * What stands as ours now, domain → `address:port`; `.` stands for every name. Undefined if that cannot be known.
   */
  observe(): Promise<ReadonlyMap<string, string> | undefined>;
  /** Makes exactly this stand, and restores what others took away. Changes nothing if it stands already. */
  apply(wish: ResolverRequest): Promise<ResolverOutcome>;
  /** Takes away all that is ours, of an earlier run too. */
  withdraw(): Promise<ResolverOutcome>;
}

/** `address:port`. */
export function serverText({ address, port }: DnsServer): string {
  return `${address}:${port}`;
}
