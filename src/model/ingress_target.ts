/** The host and the port of an ingress. */
export interface IngressTarget {
  readonly hostname: string;
  readonly port: number;
}

/** Returns true if both are the same ingress. */
export function isSameTarget(one: IngressTarget, other: IngressTarget): boolean {
  return one.hostname === other.hostname && one.port === other.port;
}
