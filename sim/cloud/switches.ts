import { STATUSES } from "./errors.ts";
import { SeededRandom } from "./seeded_random.ts";

/** The values of one switch, the default first. */
function values<T>(...all: [T, ...T[]]): readonly [T, ...T[]] {
  return all;
}

/**
 * The table of switches: what docs/protocol.md marks [G]. No source settles it, so a client must accept every
 * value. The first value is the one that docs/protocol.md guesses.
 */
const TABLE = {
  /** How long the ingress waits for the request frame, in milliseconds; null waits forever. */
  frameWaitMs: values<number | null>(10_000, 1000, null),
  /** Whether application bytes that arrive before the response are kept for the stream. */
  keepEarlyBytes: values<boolean>(true, false),
  /** Whether the ingress closes after an error response. */
  closeAfterError: values<boolean>(true, false),
  /** How the ingress ends a connection whose client certificate it refuses. */
  refusal: values<"close_notify" | "eof" | "reset">("close_notify", "eof", "reset"),
  /** The code for a host and port that no endpoint has. */
  unknownEndpointCode: values<string>(
    "ERR_NGROK_3200",
    "ERR_NGROK_3209",
    "ERR_NGROK_3210",
    "ERR_NGROK_706",
  ),
  /** The code for an endpoint whose backend is down. */
  offlineCode: values<string>("ERR_NGROK_8012", "ERR_NGROK_3200"),
  /** Whether an http endpoint whose backend is down fails the upgrade or answers with an HTTP page. */
  offlineHttp: values<"error" | "page">("error", "page"),
  /** Whether a pool of http endpoints is balanced per request, as documented, or only per connection. */
  poolPerRequest: values<boolean>(true, false),
  /** Whether an http backend refuses a Host other than the endpoint's. */
  checkHost: values<boolean>(true, false),
  /** Idle time after which the ingress closes a stream, in milliseconds; null never. */
  idleTimeoutMs: values<number | null>(null, 60_000),
  /** Whether deleting an operator refuses its certificate at once. */
  revokeOnDelete: values<boolean>(true, false),
  /** Whether deleting or revoking also resets the operator's established streams. */
  cutStreamsOnRevoke: values<boolean>(false, true),
  /** Whether `cert.cert` carries the leaf alone or the chain. */
  certificateChain: values<"leaf" | "chain">("leaf", "chain"),
  /** The subject of client certificates. */
  certificateSubject: values<"operator" | "empty">("operator", "empty"),
  /** The keys that a CSR may have. */
  csrKeys: values<"ecdsa" | "any">("ecdsa", "any"),
  /** Whether a new CSR over a known key yields a new certificate. */
  newCertificateForSameKey: values<boolean>(true, false),
  /** The answer to a PATCH whose binding has no CSR, which no public client of the API sends. */
  bindingWithoutCsr: values<"accept" | 400 | 405>("accept", 400, 405),
  /** How several selectors combine. */
  selectors: values<"or" | "and">("or", "and"),
  /** Whether kubernetes-bound endpoints may be https. */
  httpsKubernetes: values<boolean>(false, true),
  /** Whether kubernetes-bound endpoints may be wildcards. */
  wildcardKubernetes: values<boolean>(true, false),
  /** Whether an unknown JSON field is refused (214) or ignored. */
  unknownJsonFields: values<"refuse" | "ignore">("refuse", "ignore"),
  /** `binding.ingress_endpoint` of an operator that did not ask for one; "self" is this cloud's own ingress. */
  ingressEndpoint: values<string>("self"),
  /** The text of Retry-After on 429; null leaves the header out. */
  retryAfter: values<string | null>(null, "1", "60", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"),
} as const;

/** The values of all switches. */
export type Switches =
  & { -readonly [K in keyof typeof TABLE]: (typeof TABLE)[K][number] }
  & {
    /** HTTP status by error code, where docs/protocol.md 1.3 marks it [G]; "deployment" is the conflict of two deployments. */
    statusOf: Record<string, number>;
  };

/** The values that docs/protocol.md guesses. */
export const DEFAULT_SWITCHES: Switches = choose(([first]) => first);

/** A random value for every switch; the same seed yields the same values. */
export function randomSwitches(seed: number): Switches {
  const random = new SeededRandom(seed);
  const switches = choose((all) => random.pick(all));
  for (const [codes, statuses] of STATUSES) {
    for (const code of codes) switches.statusOf[code] = random.pick(statuses);
  }
  return switches;
}

function choose(pick: <T>(all: readonly [T, ...T[]]) => T): Switches {
  const entries = Object.entries(TABLE).map(([name, all]) => [name, pick<unknown>(all)]);
  return { ...Object.fromEntries(entries), statusOf: {} };
}
