import { STATUSES } from "./errors.ts";
import { SeededRandom } from "./seeded_random.ts";

/** The values of one switch, the default first. */
function values<T>(...all: [T, ...T[]]): readonly [T, ...T[]] {
  return all;
}

/**
 * The table of switches: what docs/protocol.md marks [G]. No source settles it, so a client must
 * accept every value. The first value is the one that docs/protocol.md guesses.
 */
const TABLE = {
  /** The time that the ingress waits for the request frame, in milliseconds; null is forever. */
  frameWaitMs: values<number | null>(10_000, 1000, null),
  /** True keeps application bytes that arrive before the response for the stream. */
  keepEarlyBytes: values<boolean>(true, false),
  /** True closes the connection after an error response. */
  closeAfterError: values<boolean>(true, false),
  /** The end of a connection whose client certificate is refused. */
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
  /** The answer of an http endpoint whose backend is down: a failed upgrade or an HTTP page. */
  offlineHttp: values<"error" | "page">("error", "page"),
  /** True balances pools of http endpoints per request, as documented; false per connection. */
  poolPerRequest: values<boolean>(true, false),
  /** True makes http backends refuse a Host other than the endpoint's. */
  checkHost: values<boolean>(true, false),
  /** Idle time after which the ingress closes a stream, in milliseconds; null never. */
  idleTimeoutMs: values<number | null>(null, 60_000),
  /** True refuses the certificate of a deleted operator at once. */
  revokeOnDelete: values<boolean>(true, false),
  /** True resets the established streams of a deleted or revoked operator. */
  cutStreamsOnRevoke: values<boolean>(false, true),
  /** The certificates in `cert.cert`. */
  certificateChain: values<"leaf" | "chain">("leaf", "chain"),
  /** The subject of client certificates. */
  certificateSubject: values<"operator" | "empty">("operator", "empty"),
  /** The keys that a CSR may have. */
  csrKeys: values<"ecdsa" | "any">("ecdsa", "any"),
  /** True issues a new certificate for a new CSR over a known key. */
  newCertificateForSameKey: values<boolean>(true, false),
  /** The answer to a PATCH whose binding has no CSR, which no public client of the API sends. */
  bindingWithoutCsr: values<"accept" | 400 | 405>("accept", 400, 405),
  /** The combination of several selectors. */
  selectors: values<"or" | "and">("or", "and"),
  /** True allows kubernetes-bound https endpoints. */
  httpsKubernetes: values<boolean>(false, true),
  /** True allows kubernetes-bound wildcards. */
  wildcardKubernetes: values<boolean>(true, false),
  /** The treatment of unknown JSON fields: refused with 214, or ignored. */
  unknownJsonFields: values<"refuse" | "ignore">("refuse", "ignore"),
  /** The default `binding.ingress_endpoint` of an operator; "self" is this cloud's own ingress. */
  ingressEndpoint: values<string>("self"),
  /** The text of Retry-After on 429; null leaves the header out. */
  retryAfter: values<string | null>(null, "1", "60", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"),
} as const;

/** The values of all switches. */
export type Switches =
  & { -readonly [K in keyof typeof TABLE]: (typeof TABLE)[K][number] }
  & {
    /**
     * HTTP statuses by error number, where docs/protocol.md 1.3 marks them [G]. "deployment" stands
     * for the conflict of two deployments.
     */
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
