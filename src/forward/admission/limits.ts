/** How long each part of a connection may take, in milliseconds. */
export interface Limits {
  /** A request's head, from the connection's start or its own first byte (RELIABILITY.md R36); in a crowd the time of a ClientHello. */
  readonly headMs: number;
  /** A ClientHello, or the first byte of anything (R23, R25). */
  readonly helloMs: number;
  /** TCP, TLS and upgrade to the ingress together (R24). */
  readonly ingressMs: number;
  /** How long one direction may stand still after the other has ended (R29). */
  readonly closeMs: number;
  /** How long a refused client may take to read why. */
  readonly lingerMs: number;
}

/** What the daemon runs with. */
export const LIMITS: Limits = {
  headMs: 10_000,
  helloMs: 5_000,
  ingressMs: 10_000,
  closeMs: 60_000,
  lingerMs: 1_000,
};
