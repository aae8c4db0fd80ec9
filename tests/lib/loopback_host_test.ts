import assert from "node:assert/strict";
import { operatorIngress } from "../../src/cloud/operator_ingress.ts";
import { apiUrl } from "../../src/config/address_types.ts";
import { proxyFor } from "../../src/config/proxy/proxy_for.ts";
import { parseProxyUrl } from "../../src/config/proxy/proxy_url.ts";
import { type ReadContext, refusalOf } from "../../src/config/value_type.ts";
import { isLoopbackHost } from "../../src/lib/loopback_host.ts";
import type { Proxy } from "../../src/model/proxy.ts";

const PROXY = parseProxyUrl("http://proxy.example", "proxy_url") as Proxy;
const ELSEWHERE = "https://api.ngrok.com";
const HERE = "http://127.0.0.1:4000";

/** Hosts; `ingressOf` says where the API that may name the host as its ingress must be. */
const HOSTS: readonly (readonly [host: string, isLoopback: boolean, ingressOf: "any" | "here" | "none"])[] = [
  ["localhost", true, "here"],
  ["LOCALHOST", true, "here"],
  ["localhost.", true, "here"],
  ["127.0.0.1", true, "none"],
  ["127.255.255.254", true, "none"],
  ["[::1]", true, "none"],
  // A resolver may ask the network for these names, or lead them to this machine.
  ["a.localhost", false, "here"],
  ["A.LocalHost.", false, "here"],
  ["a.b.localhost", false, "here"],
  ["notlocalhost", false, "any"],
  ["localhost.example", false, "any"],
  ["127.0.0.1.example", false, "any"],
  ["127.example", false, "any"],
  ["128.0.0.1", false, "none"],
  ["0.0.0.0", false, "none"],
  ["[::]", false, "none"],
  ["[::ffff:127.0.0.1]", false, "none"],
];

for (const [host, isLoopback, ingressOf] of HOSTS) {
  Deno.test(`${host} is ${isLoopback ? "" : "not "}loopback for api.url, the proxy and the ingress`, () => {
    assert.equal(isLoopbackHost(host), isLoopback);
    const refusal = refusalOf("api.url", () => apiUrl.read(`http://${host}`, {} as ReadContext<string>));
    assert.equal(refusal === undefined, isLoopback, "http in api.url");
    const { proxy } = proxyFor(`https://${host}`, { configured: PROXY, environment: {} });
    assert.equal(proxy === undefined, isLoopback, "no proxy");
    const isIngressOf = (apiUrl: string) =>
      operatorIngress(`${host}:7443`, { apiUrl, holds: () => true }) !== undefined;
    assert.deepEqual(
      [isIngressOf(ELSEWHERE), isIngressOf(HERE)],
      [ingressOf === "any", ingressOf !== "none"],
      "ingress named by a cloud elsewhere, and by one on this machine",
    );
    assert.equal(isIngressOf(`https://${host}`), ingressOf === "any" || ingressOf === "here" && isLoopback);
  });
}
