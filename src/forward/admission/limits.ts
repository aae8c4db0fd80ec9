/** Time limits of a connection, in milliseconds. */
export interface Limits {
  /**
   * The limit of the head of a request, from the start of the connection or from the head's own
   * first byte (docs/reliability.md R36). A crowd of clients shortens it to `helloMs`.
   */
  readonly headMs: number;
  /**
   * The limit of a ClientHello, and of the first byte of anything (docs/reliability.md R23, R25).
   */
  readonly helloMs: number;
  /** The limit of TCP, TLS and upgrade to the ingress together (docs/reliability.md R24). */
  readonly ingressMs: number;
  /** The time in which a refused client must read the reason. */
  readonly lingerMs: number;
}

/** The limits of the daemon. */
export const LIMITS: Limits = {
  headMs: 10_000,
  helloMs: 5_000,
  ingressMs: 10_000,
  lingerMs: 1_000,
};
