/** The host and the port of an ingress. */
export interface IngressTarget {
  readonly hostname: string;
  readonly port: number;
}
