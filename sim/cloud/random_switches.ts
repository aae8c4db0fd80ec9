import { SeededRandom } from "./seeded_random.ts";
import type { Switches } from "./switches.ts";

/** Draws a value for every [G] of PROTOCOL.md; the same seed draws the same ones. */
export function randomSwitches(seed: number): Switches {
  const random = new SeededRandom(seed);
  const coin = (): boolean => random.pick([true, false]);
  return {
    frameWaitMs: random.pick([1000, 10_000, null]),
    keepEarlyBytes: coin(),
    closeAfterError: coin(),
    refusal: random.pick(["close_notify", "eof", "reset"]),
    unknownEndpointCode: random.pick(["ERR_NGROK_3200", "ERR_NGROK_3209", "ERR_NGROK_3210", "ERR_NGROK_706"]),
    offlineCode: random.pick(["ERR_NGROK_8012", "ERR_NGROK_3200"]),
    offlineHttp: random.pick(["error", "page"]),
    poolPerRequest: coin(),
    checkHost: coin(),
    idleTimeoutMs: random.pick([null, null, 60_000]),
    revokeOnDelete: coin(),
    cutStreamsOnRevoke: coin(),
    certificateChain: random.pick(["leaf", "chain"]),
    certificateSubject: random.pick(["operator", "empty"]),
    csrKeys: random.pick(["ecdsa", "any"]),
    newCertificateForSameKey: coin(),
    selectors: random.pick(["or", "and"]),
    httpsKubernetes: coin(),
    wildcardKubernetes: coin(),
    unknownJsonFields: random.pick(["refuse", "ignore"]),
    ingressEndpoint: "self",
    retryAfter: random.pick([null, "1", "60", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"]),
    statusOf: {
      ...Object.fromEntries(
        ["200", "203", "204", "205", "206", "208", "220"].map((code) => [code, random.pick([401, 403])]),
      ),
      "210": random.pick([400, 415]),
      "216": random.pick([400, 415]),
      "225": random.pick([429, 503]),
      "227": random.pick([400, 404]),
      ...Object.fromEntries(
        [
          "211",
          "213",
          "214",
          "215",
          "230",
          "231",
          "232",
          "233",
          "244",
          "248",
          "249",
          "250",
          "334",
          "19001",
          "19003",
        ]
          .map((code) => [code, random.pick([400, 422])]),
      ),
      "18009": random.pick([400, 409]),
      deployment: random.pick([409, 400]),
    },
    bindingWithoutCsr: random.pick<Switches["bindingWithoutCsr"]>(["accept", 400, 405]),
  };
}
