/**
 * What PROTOCOL.md marks [G]: nothing settles it, so a client must live with every value. `random_switches.ts` draws them all.
 */
export interface Switches {
  /** How long the ingress waits for the request frame, in milliseconds; null waits for ever. */
  frameWaitMs: number | null;
  /** Whether application bytes that arrive before the response are kept for the stream. */
  keepEarlyBytes: boolean;
  /** Whether the ingress closes after an error response. */
  closeAfterError: boolean;
  /** How the ingress drops a client certificate that it does not accept. */
  refusal: "close_notify" | "eof" | "reset";
  /** The code for a host and port that no endpoint has. */
  unknownEndpointCode: string;
  /** The code for an endpoint whose backend is down. */
  offlineCode: string;
  /** Whether an http endpoint whose backend is down fails the upgrade or answers with an HTTP page. */
  offlineHttp: "error" | "page";
  /** Whether a pool of http endpoints is balanced per request, as documented, or per connection only. */
  poolPerRequest: boolean;
  /** Whether an http backend refuses a Host that is not the endpoint's. */
  checkHost: boolean;
  /** Idle time after which the ingress closes a stream, in milliseconds; null never. */
  idleTimeoutMs: number | null;
  /** Whether deleting an operator refuses its certificate at once. */
  revokeOnDelete: boolean;
  /** Whether deleting or revoking also cuts the operator's established streams. */
  cutStreamsOnRevoke: boolean;
  /** Whether `cert.cert` carries the leaf alone or the chain. */
  certificateChain: "leaf" | "chain";
  /** The subject of client certificates. */
  certificateSubject: "operator" | "empty";
  /** Which keys a CSR may have. */
  csrKeys: "ecdsa" | "any";
  /** Whether a new CSR over a key that was seen before yields a new certificate. */
  newCertificateForSameKey: boolean;
  /** The answer to a PATCH whose binding has no CSR, which no public client of the API sends. */
  bindingWithoutCsr: "accept" | 400 | 405;
  /** How several selectors combine. */
  selectors: "or" | "and";
  /** Whether kubernetes-bound endpoints may be https. */
  httpsKubernetes: boolean;
  /** Whether kubernetes-bound endpoints may be wildcards. */
  wildcardKubernetes: boolean;
  /** Whether a JSON field that the API does not know is refused (214) or ignored. */
  unknownJsonFields: "refuse" | "ignore";
  /** `binding.ingress_endpoint` of an operator that did not ask for one; "self" is this simulator's own. */
  ingressEndpoint: string;
  /** The text of Retry-After on 429; null leaves the header out. */
  retryAfter: string | null;
  /** HTTP status by error code, where PROTOCOL.md 1.3 marks it [G]; "deployment" is the conflict of two deployments. */
  statusOf: Record<string, number>;
}

/** The values that PROTOCOL.md gives where it guesses. */
export const DEFAULT_SWITCHES: Switches = {
  frameWaitMs: 10_000,
  keepEarlyBytes: true,
  closeAfterError: true,
  refusal: "close_notify",
  unknownEndpointCode: "ERR_NGROK_3200",
  offlineCode: "ERR_NGROK_8012",
  offlineHttp: "error",
  poolPerRequest: true,
  checkHost: true,
  idleTimeoutMs: null,
  revokeOnDelete: true,
  cutStreamsOnRevoke: false,
  certificateChain: "leaf",
  certificateSubject: "operator",
  csrKeys: "ecdsa",
  newCertificateForSameKey: true,
  bindingWithoutCsr: "accept",
  selectors: "or",
  httpsKubernetes: false,
  wildcardKubernetes: true,
  unknownJsonFields: "refuse",
  ingressEndpoint: "self",
  retryAfter: null,
  statusOf: {},
};
